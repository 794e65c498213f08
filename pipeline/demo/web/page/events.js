// Waiting for something.

export const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// Resolves at the event of this name, rejects with the sentence `failure` at an error event
export function event(target, name, failure) {
  const over = new AbortController();
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { signal: over.signal });
    target.addEventListener("error", () => reject(new Error(failure)), { signal: over.signal });
  }).finally(() => over.abort());
}

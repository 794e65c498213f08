// What the person types and drops.

// keys: a function for every key, by the key's name; take: called with the files that are dropped
export function listen(keys, take) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, a, button, summary") && (event.key === " " || event.target.matches("input"));
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", name !== "drop" && !(name === "dragleave" && !event.relatedTarget));
      if (name === "drop" && event.dataTransfer.files.length) take([...event.dataTransfer.files]);
    });
  }
}

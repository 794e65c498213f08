// Keeps the keyboard's focus on something that can be seen.

const usable = (element) => element && element !== document.body && element.getClientRects().length > 0 && !element.disabled;

// Focuses the first of these elements (by id) that can be used, unless the focus is well where it is
export function keepFocus(...ids) {
  if (usable(document.activeElement)) return;
  ids.map((id) => document.getElementById(id)).find(usable)?.focus({ preventScroll: true });
}

"use strict";
const sessions = [...document.querySelectorAll("details.session")];
const radios = [...document.querySelectorAll("input[name=state]")];
const none = document.getElementById("none");

function filter() {
  const state = radios.find((radio) => radio.checked).value;
  let shown = 0;
  for (const session of sessions) {
    const fits = state === "all" || session.dataset.state === state;
    session.hidden = !fits;
    if (fits) shown += 1;
  }
  none.hidden = shown > 0;
}
radios.forEach((radio) => radio.addEventListener("change", filter));
filter();
// Without this script neither the filter nor the keys work.
document.querySelectorAll("fieldset, .keys").forEach((part) => { part.hidden = false; });

// j and k walk, o opens all that are shown, f goes to the next failed line.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const shown = sessions.filter((session) => !session.hidden);
  const at = shown.findIndex((session) => session.contains(document.activeElement));
  if (event.key === "j" || event.key === "k") {
    const next = shown[Math.max(0, Math.min(shown.length - 1, at + (event.key === "j" ? 1 : -1)))];
    if (next) next.querySelector("summary").focus();
  } else if (event.key === "o") {
    const open = shown.some((session) => !session.open);
    shown.forEach((session) => { session.open = open; });
  } else if (event.key === "f") {
    const lines = shown.flatMap((session) => [...session.querySelectorAll("pre .f")]);
    const next = lines[(lines.indexOf(document.activeElement) + 1) % lines.length];
    if (next) {
      next.closest("details").open = true;
      next.focus();
      next.scrollIntoView({ block: "center" });
    }
  } else {
    return;
  }
  event.preventDefault();
});

// On paper all is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = sessions.filter((session) => !session.open);
  closed.forEach((session) => { session.open = true; });
});
addEventListener("afterprint", () => closed.forEach((session) => { session.open = false; }));

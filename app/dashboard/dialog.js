// A dialog that asks for a few things before something is done.

import { button, make, option } from "./words.js";

let numbers = 0;

/**
 * Ask; answers with the values by name, or null when nothing is to be done.
 * A field is {name, label, value, options, type, optional, hint, pattern}.
 */
export function askFor({ title, text = "", fields, act, bad = false }) {
  const dialog = make("dialog", "asking");
  const form = make("form");
  form.method = "dialog";
  const head = make("h2", "", title);
  head.id = `asking-${(numbers += 1)}`;
  dialog.setAttribute("aria-labelledby", head.id);
  form.append(head);
  if (text) form.append(make("p", "note", text));
  for (const field of fields) form.append(inputOf(field));
  const yes = make("button", bad ? "danger" : "", act);
  yes.value = "yes";
  form.append(make("div", "choices", button("Cancel", () => dialog.close(""), "quiet"), yes));
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const values = dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null;
      dialog.remove();
      resolve(values);
    }, { once: true });
  });
}

function inputOf({ name, label, value = "", options, type = "text", optional = false, hint, pattern }) {
  const input = make(options ? "select" : "input");
  if (options) input.append(...options.map((one) => (Array.isArray(one) ? option(...one) : option(one))));
  else Object.assign(input, { type, autocomplete: "off", maxLength: 500, required: !optional });
  if (pattern) input.pattern = pattern;
  input.name = name;
  if (value) input.value = value;
  const field = make("label", "asked", make("span", "", label), input);
  if (hint) field.append(make("small", "", hint));
  return field;
}

/** Show a secret once: nobody can see it again. */
export function showSecret(title, text, secret) {
  const dialog = make("dialog", "asking");
  const head = make("h2", "", title);
  head.id = `asking-${(numbers += 1)}`;
  dialog.setAttribute("aria-labelledby", head.id);
  const shown = make("code", "secret", secret);
  shown.tabIndex = 0;
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(secret);
      copy.textContent = "Copied";
    } catch { // not every browser lets a page copy
      getSelection().selectAllChildren(shown);
      copy.textContent = "Selected";
    }
  });
  const close = button("I have it", () => dialog.close(), "quiet");
  dialog.append(head, make("p", "note", text), shown, make("div", "choices", close, copy));
  dialog.addEventListener("close", () => dialog.remove(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
}

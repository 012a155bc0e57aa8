/** Makes elements: one function instead of a framework. */
type Child = Node | string | null;
type Tags = HTMLElementTagNameMap;

let made = 0;

/** An element of a class with attributes and children; `null` children are left out. */
export function make<K extends keyof Tags>(
  tag: K,
  name: string,
  attributes: Record<string, string> = {},
  ...children: Child[]
): Tags[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child): child is Node | string => child !== null));
  return element;
}

/** A button that does not submit. */
export function button(name: string, label: string, act: () => void): HTMLButtonElement {
  const element = make("button", name, { type: "button" }, label);
  element.addEventListener("click", act);
  return element;
}

/** A labelled input with a line of help; `row` may hold a button beside it. */
export function field(
  label: string,
  attributes: Record<string, string>,
  hint = "",
  beside: HTMLElement | null = null,
): { whole: HTMLElement; input: HTMLInputElement } {
  made += 1;
  const id = `f${made}`;
  const described: Record<string, string> = hint ? { "aria-describedby": `${id}h` } : {};
  const input = make("input", "", { id, ...described, ...attributes });
  const whole = make(
    "div",
    "field",
    {},
    make("label", "", { for: id }, label),
    make("div", "row", {}, input, beside),
    hint ? make("p", "hint", { id: `${id}h` }, hint) : null,
  );
  return { whole, input };
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child): child is Node | string => child !== null));
}

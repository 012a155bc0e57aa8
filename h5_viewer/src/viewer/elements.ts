/** Makes elements: one function instead of a framework. */
type Child = Node | string | null;
type Tags = HTMLElementTagNameMap;

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

/** Gives an element other children. */
export function fill(element: Element, ...children: Child[]): void {
  element.textContent = "";
  element.append(...children.filter((child): child is Node | string => child !== null));
}

/** Sets a text only if it differs: labels are refreshed on every frame. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

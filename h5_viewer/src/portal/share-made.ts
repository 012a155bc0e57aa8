/** A share's link for handing on: text, QR code, and the passcode that is shown once. */
import { button, fill, make } from "./elements";
import { qrAddress } from "./share-api";
import { sheet as words } from "./share-texts";
import * as texts from "./texts";

/** What stands for a link that was made, or is looked at again (then without its passcode). */
export function handout(id: string, url: string, passcode: string | null, expires: string): HTMLElement {
  const said = make("p", "hint", { role: "status" });
  const address = make("input", "", { type: "text", readonly: "", value: url, "aria-label": words.link });
  address.addEventListener("focus", () => address.select());
  const copy = (text: string) => (): void => void copied(text, address, said);
  return make(
    "div",
    "handout",
    {},
    make("img", "qr", { src: qrAddress(id), alt: words.qr, width: "220", height: "220" }),
    make("div", "row", {}, address, button("plain", words.copy, copy(url))),
    passcode ? make("p", "passcode", {}, make("span", "", {}, words.code), make("strong", "", {}, passcode)) : null,
    passcode ? make("p", "notice warn", {}, words.codeOnce) : null,
    passcode ? button("plain wide", words.copyAll, copy(words.message(url, passcode))) : null,
    said,
    make("p", "quiet", {}, words.until(texts.instant(expires))),
  );
}

async function copied(text: string, address: HTMLInputElement, said: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    fill(said, words.copied);
  } catch {
    // Pages without TLS and some browsers inside apps have no clipboard.
    address.select();
    fill(said, document.execCommand("copy") ? words.copied : words.copyFailed);
  }
}

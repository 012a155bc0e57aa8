/** The gate: phone and code, then name and the last four characters of the ID number. */
import * as api from "./api";
import { button, field, fill, make } from "./elements";
import { gate as texts } from "./texts";

/** The number without spaces, hyphens and country code. */
export const normalPhone = (text: string): string => text.replace(/[\s-]/g, "").replace(/^(\+?86)(?=1)/, "");

/** A line that screen readers read out when it changes. */
export class Notice {
  readonly element = make("p", "notice", { role: "status" });

  say(text: string, bad = false): void {
    this.element.className = bad ? "notice bad" : "notice";
    this.element.setAttribute("role", bad ? "alert" : "status");
    fill(this.element, text);
  }
}

/** The gate's page. `entered` is called once an identity is proved. */
export class Gate {
  readonly element = make("main", "gate card");
  private timer = 0;

  constructor(
    private readonly entered: () => void,
    step: "phone" | "name",
    notice = "",
  ) {
    if (step === "phone") this.showPhone(notice);
    else this.showName();
  }

  private showPhone(said: string): void {
    const notice = new Notice();
    const send = button("plain", texts.send, () => void this.send(phone.input, code.input, send, notice));
    const phone = field(
      texts.phone,
      { type: "tel", inputmode: "numeric", autocomplete: "tel-national", maxlength: "16", required: "" },
      texts.phoneHint,
    );
    const code = field(
      texts.code,
      { type: "text", inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6", required: "" },
      "",
      send,
    );
    const submit = make("button", "primary", { type: "submit" }, texts.next);
    const form = this.form(submit, notice, phone.whole, code.whole);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const number = normalPhone(phone.input.value);
      if (number.length !== 11) return complain(notice, phone.input, texts.needPhone);
      if (!/^\d{6}$/.test(code.input.value.trim())) return complain(notice, code.input, texts.needCode);
      void this.submit(submit, texts.next, notice, async () => {
        const { state } = await api.enter(number, code.input.value.trim());
        if (state === "proved") this.entered();
        else this.showName();
      });
    });
    this.show(texts.stepPhone, form);
    if (said) notice.say(said);
  }

  private showName(): void {
    clearInterval(this.timer);
    const notice = new Notice();
    const name = field(
      texts.name,
      { type: "text", autocomplete: "name", maxlength: "100", required: "" },
      texts.nameHint,
    );
    const last4 = field(
      texts.last4,
      { type: "text", autocomplete: "off", autocapitalize: "characters", maxlength: "4", required: "" },
      texts.last4Hint,
    );
    const submit = make("button", "primary", { type: "submit" }, texts.enter);
    const other = button("plain wide", texts.other, () => void this.restart());
    const form = this.form(submit, notice, name.whole, last4.whole);
    form.append(other);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!name.input.value.trim()) return complain(notice, name.input, texts.needName);
      if (!/^\d{3}[\dXx]$/.test(last4.input.value.trim())) return complain(notice, last4.input, texts.needLast4);
      void this.submit(submit, texts.enter, notice, async () => {
        await api.prove(name.input.value, last4.input.value.trim());
        this.entered();
      });
    });
    this.show(texts.stepName, form);
    name.input.focus();
  }

  private form(submit: HTMLElement, notice: Notice, ...fields: HTMLElement[]): HTMLFormElement {
    return make("form", "", { novalidate: "" }, ...fields, notice.element, submit);
  }

  private show(step: string, form: HTMLElement): void {
    fill(
      this.element,
      make("h1", "", {}, texts.heading),
      make("p", "lead", {}, texts.lead),
      make("p", "step", {}, step),
      form,
      make("p", "hint privacy", {}, texts.privacy),
    );
  }

  private async send(
    phone: HTMLInputElement,
    code: HTMLInputElement,
    send: HTMLButtonElement,
    notice: Notice,
  ): Promise<void> {
    const number = normalPhone(phone.value);
    if (number.length !== 11) return complain(notice, phone, texts.needPhone);
    phone.removeAttribute("aria-invalid");
    send.disabled = true;
    fill(send, texts.sending);
    try {
      const { retry_after: wait } = await api.sendCode(number);
      notice.say(texts.sent);
      this.count(send, wait);
      code.focus();
    } catch (error) {
      const problem = error as api.Problem;
      notice.say(problem.message, true);
      // Long waits are told in the notice; the button counts the short one.
      this.count(send, problem.retryAfter > 0 && problem.retryAfter <= 60 ? problem.retryAfter : 0);
    }
  }

  private count(send: HTMLButtonElement, seconds: number): void {
    clearInterval(this.timer);
    this.timer = countDown(send, seconds);
  }

  private async submit(
    control: HTMLButtonElement,
    label: string,
    notice: Notice,
    act: () => Promise<void>,
  ): Promise<void> {
    if (control.disabled) return;
    control.disabled = true;
    fill(control, texts.checking);
    notice.say("");
    try {
      await act();
    } catch (error) {
      const problem = error as api.Problem;
      if (problem.code === "session-ended" || problem.code === "unauthenticated") this.showPhone(texts.expired);
      else notice.say(problem.message, true);
    } finally {
      control.disabled = false;
      fill(control, label);
    }
  }

  private async restart(): Promise<void> {
    await api.leave().catch(() => undefined);
    this.showPhone("");
  }
}

/** Says what is wrong with a field, and leads there. */
export function complain(notice: Notice, input: HTMLInputElement, text: string): void {
  notice.say(text, true);
  input.setAttribute("aria-invalid", "true");
  input.addEventListener("input", () => input.removeAttribute("aria-invalid"), { once: true });
  input.focus();
}

/** The button works again after so many seconds, which it counts down; returns the timer. */
export function countDown(send: HTMLButtonElement, seconds: number): number {
  const until = performance.now() + seconds * 1000;
  const tick = (): void => {
    const left = Math.ceil((until - performance.now()) / 1000);
    send.disabled = left > 0;
    fill(send, left > 0 ? texts.again(left) : texts.send);
    if (left <= 0) clearInterval(timer);
  };
  const timer = window.setInterval(tick, 500);
  tick();
  return timer;
}

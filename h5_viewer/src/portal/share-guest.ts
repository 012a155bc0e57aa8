/** The page of a share's link: the gate for whoever got it, and the exams behind it. */
import "./share.css";
import * as api from "./api";
import { button, field, fill, make } from "./elements";
import { reportOf } from "./exam";
import { complain, countDown, Notice, normalPhone } from "./gate";
import * as shares from "./share-api";
import { guest as words } from "./share-texts";
import * as texts from "./texts";

/** The page; `link` is the code in its address. */
export class GuestPage {
  readonly element = make("main", "guest");

  constructor(private readonly link: string) {
    void this.start("");
  }

  private async start(said: string): Promise<void> {
    fill(this.element, make("p", "quiet middle", { role: "status" }, texts.loading));
    try {
      const look = await shares.look(this.link);
      if (look.opened) await this.showContent(look.share);
      else this.showPhone(look, said);
    } catch (error) {
      this.fail(error as api.Problem);
    }
  }

  private fail(problem: api.Problem): void {
    const ended = problem.status === 410;
    const again = ended ? null : button("plain", texts.retry, () => void this.start(""));
    const title = ended ? make("strong", "", {}, words.ended) : null;
    fill(this.element, make("div", "card empty", { role: "alert" }, title, make("p", "", {}, problem.message), again));
  }

  private showPhone(look: shares.Look, said: string): void {
    const notice = new Notice();
    const send = button("plain", texts.gate.send, () => void this.send(phone.input, code.input, send, notice));
    const phone = field(
      texts.gate.phone,
      { type: "tel", inputmode: "numeric", autocomplete: "tel-national", maxlength: "16", required: "" },
      words.phoneHint,
    );
    const code = field(
      texts.gate.code,
      { type: "text", inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6", required: "" },
      "",
      send,
    );
    const submit = make("button", "primary", { type: "submit" }, look.passcode ? words.next : words.open);
    this.showForm(words.stepPhone, submit, notice, [phone.whole, code.whole], async () => {
      const number = normalPhone(phone.input.value);
      if (number.length !== 11) return complain(notice, phone.input, texts.gate.needPhone);
      const digits = code.input.value.trim();
      if (!/^\d{6}$/.test(digits)) return complain(notice, code.input, texts.gate.needCode);
      await shares.verify(this.link, number, digits);
      if (look.passcode) return this.showPasscode(look);
      await shares.open(look.share, "");
      await this.showContent(look.share);
    });
    if (said) notice.say(said);
  }

  private showPasscode(look: shares.Look): void {
    const notice = new Notice();
    const passcode = field(
      words.passcode,
      { type: "text", inputmode: "numeric", autocomplete: "off", maxlength: "6", required: "" },
      words.passcodeHint,
    );
    const submit = make("button", "primary", { type: "submit" }, words.open);
    this.showForm(words.stepPasscode, submit, notice, [passcode.whole], async () => {
      const digits = passcode.input.value.trim();
      if (!/^\d{6}$/.test(digits)) return complain(notice, passcode.input, words.needPasscode);
      await shares.open(look.share, digits);
      await this.showContent(look.share);
    });
    passcode.input.focus();
  }

  private showForm(
    step: string,
    submit: HTMLButtonElement,
    notice: Notice,
    fields: HTMLElement[],
    act: () => Promise<void>,
  ): void {
    const form = make("form", "", { novalidate: "" }, ...fields, notice.element, submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit(submit, notice, act);
    });
    fill(
      this.element,
      make(
        "div",
        "gate card",
        {},
        make("h1", "", {}, words.heading),
        make("p", "lead", {}, words.lead),
        make("p", "step", {}, step),
        form,
      ),
    );
  }

  private async submit(control: HTMLButtonElement, notice: Notice, act: () => Promise<void>): Promise<void> {
    if (control.disabled) return;
    const label = control.textContent;
    control.disabled = true;
    fill(control, texts.gate.checking);
    notice.say("");
    try {
      await act();
    } catch (error) {
      const problem = error as api.Problem;
      if (problem.status === 410) this.fail(problem);
      else if (problem.code === "session-ended" || problem.code === "unauthenticated") void this.start(words.expired);
      else notice.say(problem.message, true);
    } finally {
      control.disabled = false;
      fill(control, label);
    }
  }

  private async send(
    phone: HTMLInputElement,
    code: HTMLInputElement,
    send: HTMLButtonElement,
    notice: Notice,
  ): Promise<void> {
    const number = normalPhone(phone.value);
    if (number.length !== 11) return complain(notice, phone, texts.gate.needPhone);
    send.disabled = true;
    try {
      const { retry_after: wait } = await shares.sendCode(this.link, number);
      notice.say(texts.gate.sent);
      countDown(send, wait);
      code.focus();
    } catch (error) {
      const problem = error as api.Problem;
      if (problem.status === 410) return this.fail(problem);
      notice.say(problem.message, true);
      countDown(send, problem.retryAfter > 0 && problem.retryAfter <= 60 ? problem.retryAfter : 0);
    }
  }

  private async showContent(share: string): Promise<void> {
    const { exams, watermark } = await shares.content(share);
    const only = exams[0];
    fill(
      this.element,
      make("h1", "", { tabindex: "-1" }, words.shown),
      make("p", "notice", {}, words.note),
      make("ul", "", {}, ...exams.map((exam) => this.card(exam))),
      make("div", "watermark", { "aria-hidden": "true" }, ...Array.from({ length: 120 }, () => span(watermark))),
    );
    // The link was about one exam's pictures: there it leads. Coming back shows this page.
    const straight = exams.length === 1 && only && !only.report && history.state !== share;
    history.replaceState(share, "");
    if (straight) location.assign(`/viewer/${only.exam}`);
  }

  private card(exam: shares.SharedExam): HTMLElement {
    const report = make("div", "report");
    const read = exam.report ? button("plain wide", words.report, () => void this.read(exam.exam, report)) : null;
    return make(
      "li",
      "card",
      {},
      make("h2", "", {}, texts.examTitle(exam.modalities, exam.description, exam.body_part)),
      make("p", "quiet", {}, [exam.patient, texts.day(exam.date), exam.institution].filter(Boolean).join("　")),
      make("p", "quiet", {}, texts.counts(exam.series_count, exam.instance_count)),
      make("a", "primary", { href: `/viewer/${exam.exam}` }, texts.exam.view),
      read,
      report,
    );
  }

  private async read(exam: string, place: HTMLElement): Promise<void> {
    fill(place, make("p", "quiet", { role: "status" }, texts.loading));
    try {
      fill(place, ...reportOf(await api.report(exam)));
    } catch (error) {
      const problem = error as api.Problem;
      if (problem.status === 401) void this.start(words.expired);
      else fill(place, make("p", "notice", { role: "alert" }, problem.message));
    }
  }
}

const span = (text: string): HTMLElement => make("span", "", {}, text);

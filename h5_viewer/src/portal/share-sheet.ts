/** The sheet in which a patient chooses what to share, for how long, and with whom. */
import "./share.css";
import type * as api from "./api";
import { exams as listExams } from "./api";
import { button, field, fill, make } from "./elements";
import { complain, Notice, normalPhone } from "./gate";
import * as shares from "./share-api";
import { handout } from "./share-made";
import { sheet as words } from "./share-texts";
import * as texts from "./texts";

let made = 0;

/** A box to tick, with its words. */
function tick(label: string, checked: boolean): { whole: HTMLElement; input: HTMLInputElement } {
  const input = make("input", "", { type: "checkbox", ...(checked ? { checked: "" } : {}) });
  return { whole: make("label", "tick", {}, input, make("span", "", {}, label)), input };
}

/** A labelled choice. */
function choice(
  label: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
): { whole: HTMLElement; input: HTMLSelectElement } {
  made += 1;
  const id = `s${made}`;
  const listed = options.map(([value, text]) =>
    make("option", "", { value, ...(value === chosen ? { selected: "" } : {}) }, text),
  );
  const input = make("select", "", { id }, ...listed);
  return { whole: make("div", "field", {}, make("label", "", { for: id }, label), input), input };
}

/** Opens over the page; `failed` is told of errors that end the session. */
export class ShareSheet {
  private readonly panel = make("div", "panel card", { role: "dialog", "aria-modal": "true", tabindex: "-1" });
  private readonly veil = make("div", "veil", {}, this.panel);
  private readonly before = document.activeElement;

  private readonly notice = new Notice();
  private readonly report = tick(words.report, false);
  private readonly passcode = tick(words.passcode, true);
  private readonly expiry = choice(words.expiry, words.expiries, words.expiryDefault);
  private readonly limit = choice(
    words.limit,
    words.limits.map((count) => [count, words.times(count)] as const),
    words.limitDefault,
  );
  private readonly phone = field(
    words.onlyPhone,
    { type: "tel", inputmode: "numeric", autocomplete: "off", maxlength: "16" },
    words.onlyPhoneHint,
  );
  private readonly series: { uid: string; input: HTMLInputElement }[] = [];
  private readonly others: { exam: string; input: HTMLInputElement }[] = [];

  constructor(
    private readonly exam: api.Exam,
    private readonly failed: (problem: api.Problem) => boolean,
  ) {
    this.panel.setAttribute("aria-label", words.heading);
    this.veil.addEventListener("click", (event) => event.target === this.veil && this.close());
    this.veil.addEventListener("keydown", (event) => this.key(event));
    this.form();
    document.body.append(this.veil);
    document.body.classList.add("held");
    this.panel.focus();
  }

  private form(): void {
    const { exam } = this;
    const submit = make("button", "primary", { type: "submit" }, words.create);
    const form = make(
      "form",
      "",
      { novalidate: "" },
      make("h3", "", {}, words.content),
      make("p", "strong", {}, texts.examTitle(exam.modalities, exam.description, exam.body_part)),
      this.seriesChoice(),
      this.otherExams(),
      exam.report ? this.report.whole : null,
      make("div", "pair", {}, this.expiry.whole, this.limit.whole),
      this.passcode.whole,
      this.phone.whole,
      this.notice.element,
      submit,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.create(submit);
    });
    fill(this.panel, this.head(words.heading), make("p", "lead", {}, words.lead), form);
  }

  private head(title: string): HTMLElement {
    return make(
      "div",
      "head",
      {},
      make("h2", "", {}, title),
      button("quietly", words.close, () => this.close()),
    );
  }

  private seriesChoice(): HTMLElement | null {
    if (this.exam.series.length < 2) return null;
    const rows = this.exam.series.map((one) => {
      const row = tick(`${texts.seriesName(one.number)} ${one.description}`.trim(), true);
      this.series.push({ uid: one.uid, input: row.input });
      return row.whole;
    });
    return make("details", "", {}, make("summary", "", {}, words.someSeries), ...rows);
  }

  private otherExams(): HTMLElement {
    const place = make("div", "");
    const whole = make("details", "", {}, make("summary", "", {}, words.others), place);
    whole.addEventListener("toggle", () => whole.open && !place.hasChildNodes() && void this.loadOthers(place));
    return whole;
  }

  private async loadOthers(place: HTMLElement): Promise<void> {
    fill(place, make("p", "quiet", { role: "status" }, texts.loading));
    try {
      const found = (await listExams({ limit: "100" })).items.filter((one) => one.exam !== this.exam.exam);
      const rows = found.map((one) => {
        const title = texts.examTitle(one.modalities, one.description, one.body_part);
        const row = tick(`${texts.day(one.date)} ${title}`, false);
        this.others.push({ exam: one.exam, input: row.input });
        return row.whole;
      });
      fill(place, ...(rows.length > 0 ? rows : [make("p", "quiet", {}, words.noOthers)]));
    } catch (error) {
      this.complain(error as api.Problem);
      fill(place);
    }
  }

  private wanted(): shares.Wanted | null {
    const chosen = this.series.filter(({ input }) => input.checked).map(({ uid }) => uid);
    if (this.series.length > 0 && chosen.length === 0) {
      this.notice.say(words.needSeries, true);
      return null;
    }
    const phone = normalPhone(this.phone.input.value);
    if (phone && phone.length !== 11) {
      complain(this.notice, this.phone.input, texts.gate.needPhone);
      return null;
    }
    const some = chosen.length < this.series.length;
    const others = this.others.filter(({ input }) => input.checked);
    return {
      exams: [{ exam: this.exam.exam, ...(some ? { series: chosen } : {}) }, ...others.map(({ exam }) => ({ exam }))],
      report: this.report.input.checked,
      minutes: Number(this.expiry.input.value),
      passcode: this.passcode.input.checked,
      limit: Number(this.limit.input.value),
      ...(phone ? { only_phone: phone } : {}),
    };
  }

  private async create(submit: HTMLButtonElement): Promise<void> {
    const wanted = this.wanted();
    if (!wanted || submit.disabled) return;
    submit.disabled = true;
    fill(submit, words.creating);
    try {
      const share = await shares.create(wanted);
      fill(this.panel, this.head(words.ready), handout(share.id, share.url, share.passcode, share.expires));
      this.panel.focus();
    } catch (error) {
      this.complain(error as api.Problem);
    } finally {
      submit.disabled = false;
      fill(submit, words.create);
    }
  }

  private complain(problem: api.Problem): void {
    if (this.failed(problem)) this.close();
    else this.notice.say(problem.message, true);
  }

  /** Escape closes; the tabulator stays inside. */
  private key(event: KeyboardEvent): void {
    if (event.key === "Escape") this.close();
    if (event.key !== "Tab") return;
    const inside = [...this.panel.querySelectorAll<HTMLElement>("button, input, select, summary")].filter(
      (one) => one.offsetParent !== null,
    );
    const edge = event.shiftKey ? inside[0] : inside[inside.length - 1];
    if (document.activeElement !== edge) return;
    event.preventDefault();
    inside[event.shiftKey ? inside.length - 1 : 0]?.focus();
  }

  private close(): void {
    this.veil.remove();
    document.body.classList.remove("held");
    if (this.before instanceof HTMLElement) this.before.focus();
  }
}

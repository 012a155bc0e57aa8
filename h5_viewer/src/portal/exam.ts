/** One exam: its facts, its report, its series, and the way to the pictures. */
import * as api from "./api";
import { button, fill, make } from "./elements";
import { Seen } from "./seen";
import { ShareSheet } from "./share-sheet";
import { share as shareText } from "./share-texts";
import * as texts from "./texts";

/** The exam's page. `toList` leaves it, `failed` is told of errors that end the session. */
export class ExamPage {
  readonly element = make("main", "detail");

  constructor(
    private readonly id: string,
    private readonly toList: () => void,
    private readonly failed: (problem: api.Problem) => boolean,
  ) {
    void this.load();
  }

  private async load(): Promise<void> {
    fill(this.element, make("p", "unseen", { role: "status" }, texts.loading), make("div", "card ghost tall"));
    try {
      this.show(await api.exam(this.id));
    } catch (error) {
      const problem = error as api.Problem;
      if (!this.failed(problem)) this.complain(problem);
    }
  }

  private complain(problem: api.Problem): void {
    const gone = problem.status === 404;
    fill(
      this.element,
      make(
        "div",
        "card empty",
        { role: "alert" },
        make("strong", "", {}, gone ? texts.exam.nothing : ""),
        make("p", "", {}, problem.message),
        gone ? button("plain", texts.exam.toList, this.toList) : button("plain", texts.retry, () => void this.load()),
      ),
    );
  }

  private show(exam: api.Exam): void {
    const { exam: words } = texts;
    const heading = texts.examTitle(exam.modalities, exam.description, exam.body_part);
    const report = make("section", "card report", { "aria-labelledby": "report" });
    fill(
      this.element,
      make("h1", "", { tabindex: "-1" }, heading),
      make(
        "div",
        "columns",
        {},
        make(
          "div",
          "",
          {},
          make(
            "section",
            "card facts",
            {},
            facts([
              [words.hospital, exam.institution.name],
              [words.date, `${texts.day(exam.date)} ${exam.time}`.trim()],
              [words.patient, exam.patient],
              [words.kind, texts.kind(exam.modalities)],
              [words.part, texts.part(exam.body_part)],
              [words.images, texts.counts(exam.series_count, exam.instance_count)],
            ]),
            exam.character_set_doubt ? make("p", "notice warn", {}, words.charset) : null,
            make("a", "primary", { href: `/viewer/${exam.exam}` }, words.view),
            button("plain wide share-it", shareText, () => new ShareSheet(exam, this.failed)),
          ),
          seriesOf(exam),
        ),
        report,
        new Seen(exam.exam, this.failed).element,
      ),
    );
    void this.loadReport(report);
  }

  private async loadReport(place: HTMLElement): Promise<void> {
    const { exam: words } = texts;
    const heading = make("h2", "", { id: "report" }, words.report);
    fill(place, heading, make("p", "quiet", { role: "status" }, texts.loading));
    try {
      fill(place, heading, ...reportOf(await api.report(this.id)));
    } catch (error) {
      const problem = error as api.Problem;
      if (this.failed(problem)) return;
      if (problem.code === "no-report") fill(place, heading, make("p", "quiet", {}, words.noReport));
      else {
        const again = button("plain", texts.retry, () => void this.loadReport(place));
        fill(place, heading, make("p", "notice bad", { role: "alert" }, problem.message), again);
      }
    }
  }
}

function facts(rows: [string, string][]): HTMLElement {
  const list = make("dl", "");
  for (const [name, value] of rows) {
    if (value) list.append(make("div", "", {}, make("dt", "", {}, name), make("dd", "", {}, value)));
  }
  return list;
}

function seriesOf(exam: api.Exam): HTMLElement | null {
  if (exam.series.length === 0) return null;
  const rows = exam.series.map((series) =>
    make(
      "li",
      "",
      {},
      make("span", "", {}, `${texts.seriesName(series.number)} ${series.description}`.trim()),
      make("span", "quiet", {}, texts.images(series.instance_count)),
    ),
  );
  return make("section", "card series", {}, make("h2", "", {}, texts.exam.series), make("ul", "", {}, ...rows));
}

/** What a report says. */
export function reportOf(report: api.Report): (HTMLElement | null)[] {
  const { exam: words } = texts;
  return [
    report.state === "preliminary" ? make("p", "notice warn", {}, words.preliminary) : null,
    make("h3", "", {}, words.findings),
    make("p", "text", {}, report.findings),
    make("h3", "", {}, words.impression),
    make("p", "text strong", {}, report.impression),
    facts([
      [words.doctor, report.doctor],
      [words.signed, texts.instant(report.reported_at)],
    ]),
    make("p", "hint", {}, words.note),
  ];
}

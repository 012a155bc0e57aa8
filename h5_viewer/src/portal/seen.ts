/** The section of an exam's page that says who opened the exam. */
import "./seen.css";
import * as api from "./api";
import { button, fill, make } from "./elements";
import { seen as words, viewerOf } from "./seen-texts";
import * as texts from "./texts";

interface Visit {
  time: string;
  kind: "self" | "staff" | "link" | "share" | "other";
  viewer: string;
  institution: string;
  what: string[];
  address: string;
}
interface Visits {
  items: Visit[];
  next: string | null;
}

const AT_ONCE = 10;

/** Loads itself when it is made. `failed` is told of errors that end the session. */
export class Seen {
  readonly element = make("section", "card seen", { "aria-labelledby": "seen" });
  private readonly rows = make("ul", "");
  private readonly below = make("div", "below");

  constructor(
    private readonly exam: string,
    private readonly failed: (problem: api.Problem) => boolean,
  ) {
    const heading = make("h2", "", { id: "seen" }, words.heading);
    fill(this.element, heading, make("p", "hint", {}, words.lead), this.rows, this.below);
    void this.load(null);
  }

  private async load(after: string | null): Promise<void> {
    fill(this.below, make("p", "quiet", { role: "status" }, texts.loading));
    try {
      const place = after === null ? "" : `&after=${encodeURIComponent(after)}`;
      const page = await api.ask<Visits>("GET", `/exams/${this.exam}/openings?limit=${AT_ONCE}${place}`);
      this.show(page, after !== null);
    } catch (error) {
      const problem = error as api.Problem;
      if (this.failed(problem)) return;
      const again = button("plain", texts.retry, () => void this.load(after));
      fill(this.below, make("p", "notice bad", { role: "alert" }, problem.message), again);
    }
  }

  private show(page: Visits, asked: boolean): void {
    const rows = page.items.map(row);
    this.rows.append(...rows);
    const { next } = page;
    const empty = this.rows.childElementCount === 0 && next === null;
    fill(
      this.below,
      empty ? make("p", "quiet", {}, words.none) : null,
      next === null ? null : button("plain wide", words.more, () => void this.load(next)),
      empty ? null : make("p", "hint", {}, words.doubt),
    );
    // Whoever asked for more by keyboard goes on where more begins.
    if (asked) rows[0]?.focus();
  }
}

function row(visit: Visit): HTMLElement {
  return make(
    "li",
    visit.kind,
    { tabindex: "-1" },
    make("strong", "", {}, viewerOf(visit.viewer, visit.institution)),
    make("span", "", {}, visit.what.join("、")),
    make("span", "quiet", {}, texts.instant(visit.time)),
    make("span", "quiet", {}, words.from(visit.address)),
  );
}

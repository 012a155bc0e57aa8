/** The list of exams, newest first, filtered by hospital and period. */
import * as api from "./api";
import { button, fill, make } from "./elements";
import * as texts from "./texts";

/** What the list is restricted to; empty texts do not restrict. */
export interface Filter {
  institution: string;
  period: string;
  from: string;
  to: string;
}
export const EVERYTHING: Filter = { institution: "", period: "", from: "", to: "" };

/** The list's page. `open` shows an exam, `failed` is told of errors that end the session. */
export class List {
  readonly element = make("main", "list");
  private readonly filters = make("form", "filters");
  private readonly items = make("div", "items", { "aria-live": "polite" });
  private readonly foot = make("div", "foot");
  private request = 0;
  private year = "";

  constructor(
    private filter: Filter,
    private readonly open: (exam: string) => void,
    private readonly failed: (problem: api.Problem) => boolean,
    private readonly changed: (filter: Filter) => void,
  ) {
    const heading = make("h1", "", { tabindex: "-1" }, texts.list.heading);
    this.element.append(heading, this.filters, this.items, this.foot);
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    this.showFilters([]);
    void this.offerHospitals();
    void this.load();
  }

  private async offerHospitals(): Promise<void> {
    try {
      this.showFilters((await api.institutions()).items);
    } catch {
      // The list itself tells what is wrong; without names there is no filter by hospital.
    }
  }

  private showFilters(hospitals: api.Institution[]): void {
    const { list } = texts;
    const options: [string, string][] = hospitals.map(({ code, name }) => [code, name]);
    const custom = this.filter.period === "custom";
    fill(
      this.filters,
      this.select(list.hospital, [["", list.allHospitals], ...options], "institution", hospitals),
      this.select(list.period, list.periods, "period", hospitals),
      custom ? make("div", "days", {}, this.date(list.from, "from"), this.date(list.to, "to")) : null,
    );
  }

  private select(
    label: string,
    options: readonly (readonly [string, string])[],
    key: "institution" | "period",
    hospitals: api.Institution[],
  ): HTMLElement {
    const select = make("select", "", { "aria-label": label });
    for (const [value, text] of options) select.append(make("option", "", { value }, text));
    select.value = this.filter[key];
    select.addEventListener("change", () => {
      this.apply({ ...this.filter, [key]: select.value });
      if (key === "period") this.showFilters(hospitals);
    });
    return select;
  }

  private date(label: string, key: "from" | "to"): HTMLElement {
    const input = make("input", "", { type: "date", value: this.filter[key], "aria-label": label, max: today() });
    input.addEventListener("change", () => this.apply({ ...this.filter, [key]: input.value }));
    return make("label", "day", {}, label, input);
  }

  private apply(filter: Filter): void {
    this.filter = filter;
    this.changed(filter);
    void this.load();
  }

  private async load(after = ""): Promise<void> {
    this.request += 1;
    const mine = this.request;
    if (after) fill(this.foot, make("p", "quiet", {}, texts.loading));
    else {
      fill(this.foot);
      fill(this.items, ...skeleton());
    }
    try {
      const page = await api.exams({ ...this.conditions(), after });
      if (mine === this.request) this.show(page, after === "");
    } catch (error) {
      const problem = error as api.Problem;
      if (mine === this.request && !this.failed(problem)) this.complain(problem, after);
    }
  }

  private conditions(): Record<string, string> {
    const { institution, period, from, to } = this.filter;
    const days = period === "custom" ? { from, to } : { from: period ? monthsAgo(Number(period)) : "" };
    return { institution, ...days };
  }

  private show(page: api.Page, fresh: boolean): void {
    if (fresh) {
      fill(this.items);
      this.year = "";
    }
    if (fresh && page.items.length === 0) {
      this.showNothing();
      return;
    }
    const names = new Set(page.items.map((item) => item.patient));
    for (const item of page.items) this.append(item, names.size > 1);
    const next = page.next;
    const end = make("p", "quiet", {}, texts.list.all);
    fill(this.foot, next ? button("plain wide", texts.list.more, () => void this.load(next)) : end);
  }

  private append(item: api.Summary, named: boolean): void {
    const year = item.date?.slice(0, 4) ?? "";
    if (year !== this.year || !this.items.lastElementChild) {
      this.year = year;
      const heading = make("h2", "year", {}, year ? texts.list.year(year) : texts.list.noDate);
      this.items.append(heading, make("ul", ""));
    }
    this.items.lastElementChild?.append(make("li", "", {}, this.card(item, named)));
  }

  private card(item: api.Summary, named: boolean): HTMLElement {
    const link = make(
      "a",
      "exam card",
      { href: `/exam/${item.exam}` },
      make(
        "span",
        "what",
        {},
        make("span", "kind", {}, texts.kind(item.modalities)),
        make("strong", "", {}, texts.examTitle(item.modalities, item.description, item.body_part)),
      ),
      make("span", "where", {}, item.institution.name),
      make(
        "span",
        "meta",
        {},
        make("span", "", {}, `${texts.day(item.date)} ${item.time}`.trim()),
        make("span", "", {}, texts.counts(item.series_count, item.instance_count)),
        named ? make("span", "", {}, item.patient) : null,
      ),
      item.report ? make("span", `badge ${item.report}`, {}, texts.reportStates[item.report] ?? "") : null,
    );
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      this.open(item.exam);
    });
    return link;
  }

  private showNothing(): void {
    const { list } = texts;
    const filtered = this.filter.institution !== "" || this.filter.period !== "";
    const clear = button("plain", list.clear, () => {
      this.apply(EVERYTHING);
      void this.offerHospitals();
    });
    fill(
      this.items,
      make(
        "div",
        "card empty",
        {},
        make("strong", "", {}, filtered ? list.noneFiltered : list.none),
        make("p", "", {}, filtered ? list.noneFilteredHint : list.noneHint),
        filtered ? clear : null,
      ),
    );
  }

  private complain(problem: api.Problem, after: string): void {
    const again = button("plain", texts.retry, () => void this.load(after));
    const told = make("div", "card empty", { role: "alert" }, make("p", "", {}, problem.message), again);
    if (after) fill(this.foot, told);
    else fill(this.items, told);
  }
}

function skeleton(): HTMLElement[] {
  const hidden = make("p", "unseen", {}, texts.loading);
  return [hidden, ...[1, 2, 3].map(() => make("div", "card ghost", { "aria-hidden": "true" }))];
}

/** Days by Beijing's clock, as the server counts them. */
function dayOf(date: Date): string {
  return new Date(date.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);
}

const today = (): string => dayOf(new Date());

/** The day so many months ago; the last one of a shorter month. */
function monthsAgo(months: number): string {
  const [year = 0, month = 1, day = 1] = today().split("-").map(Number);
  const last = new Date(Date.UTC(year, month - months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 - months, Math.min(day, last))).toISOString().slice(0, 10);
}

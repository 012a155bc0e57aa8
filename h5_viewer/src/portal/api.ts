/** The server's interface, as far as the patient's pages use it. */
import * as texts from "./texts";

export interface Institution {
  code: string;
  name: string;
}
export interface Summary {
  exam: string;
  institution: Institution;
  patient: string;
  date: string | null;
  time: string;
  modalities: string[];
  description: string;
  body_part: string;
  series_count: number;
  instance_count: number;
  report: "preliminary" | "final" | null;
  character_set_doubt: string;
}
export interface Series {
  uid: string;
  number: number | null;
  modality: string;
  description: string;
  body_part: string;
  instance_count: number;
}
export interface Exam extends Summary {
  series: Series[];
}
export interface Report {
  findings: string;
  impression: string;
  doctor: string;
  state: "preliminary" | "final";
  reported_at: string;
}
export interface Page {
  items: Summary[];
  next: string | null;
}
export interface State {
  state: "anonymous" | "code-verified" | "proved" | "staff" | "gateway" | "link" | "guest";
}

const TIMEOUT_MS = 20_000;

/** What went wrong, in words for people. `status` is 0 when the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** One call of the interface; `body` is sent as JSON. Throws a Problem. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(`/api/v1${path}`, {
      method,
      signal: abort.signal,
      cache: "no-store",
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw await problem(response);
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(0, "network", abort.signal.aborted ? texts.slow : texts.offline);
  } finally {
    clearTimeout(timer);
  }
}

async function problem(response: Response): Promise<Problem> {
  try {
    const said = (await response.json()) as { code?: string; detail?: string; retry_after?: number };
    return new Problem(response.status, said.code ?? "", said.detail ?? texts.broken, said.retry_after ?? 0);
  } catch {
    return new Problem(response.status, "", texts.broken);
  }
}

export const session = (): Promise<State> => ask("GET", "/session");
export const sendCode = (phone: string): Promise<{ retry_after: number }> => ask("POST", "/codes", { phone });
export const enter = (phone: string, code: string): Promise<State> => ask("POST", "/session", { phone, code });
export const prove = (name: string, last4: string): Promise<State> =>
  ask("POST", "/session/identity", { name, id_last4: last4 });
export const leave = (): Promise<void> => ask("DELETE", "/session");
export const institutions = (): Promise<{ items: Institution[] }> => ask("GET", "/institutions");
export const exam = (id: string): Promise<Exam> => ask("GET", `/exams/${id}`);
export const report = (id: string): Promise<Report> => ask("GET", `/exams/${id}/report`);

/** One page of the list; empty conditions do not restrict. */
export function exams(conditions: Record<string, string>): Promise<Page> {
  const given = Object.entries(conditions).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given).toString();
  return ask("GET", `/exams${query ? `?${query}` : ""}`);
}

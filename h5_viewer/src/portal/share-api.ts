/** The server's interface for shares: the patient's side and the guest's. */
import { ask } from "./api";

export interface SharedExam {
  exam: string;
  description: string;
  modalities: string[];
  body_part: string;
  date: string | null;
  institution: string;
  patient: string;
  series_count: number;
  instance_count: number;
  whole: boolean;
  report: boolean;
}
export interface Share {
  id: string;
  state: "active" | "expired" | "revoked" | "used-up" | "locked";
  created: string;
  expires: string;
  limit: number;
  opened: number;
  wrong: number;
  passcode: boolean;
  only_phone: string;
  report: boolean;
  exams: SharedExam[];
  url?: string | null;
}
export interface Made {
  id: string;
  url: string;
  passcode: string | null;
  expires: string;
}
export interface Opening {
  number: number;
  time: string;
  phone: string;
  address: string;
  device: string;
  told: boolean;
}
export interface Wanted {
  exams: { exam: string; series?: string[] }[];
  report: boolean;
  minutes: number;
  passcode: boolean;
  limit: number;
  only_phone?: string;
}
export interface Look {
  share: string;
  passcode: boolean;
  opened: boolean;
}

export const create = (wanted: Wanted): Promise<Made> => ask("POST", "/shares", wanted);
export const all = (): Promise<{ items: Share[] }> => ask("GET", "/shares");
export const one = (id: string): Promise<Share> => ask("GET", `/shares/${id}`);
export const openings = (id: string): Promise<{ items: Opening[] }> => ask("GET", `/shares/${id}/openings`);
export const renew = (id: string): Promise<Made> => ask("POST", `/shares/${id}/passcode`, {});
export const revoke = (id: string): Promise<void> => ask("DELETE", `/shares/${id}`);
export const qrAddress = (id: string): string => `/api/v1/shares/${id}/qr`;

export const look = (link: string): Promise<Look> => ask("POST", "/shared/link", { link });
export const sendCode = (link: string, phone: string): Promise<{ retry_after: number }> =>
  ask("POST", "/shared/codes", { link, phone });
export const verify = (link: string, phone: string, code: string): Promise<{ share: string }> =>
  ask("POST", "/shared/identity", { link, phone, code });
export const open = (share: string, passcode: string): Promise<unknown> =>
  ask("POST", `/shared/${share}/opening`, passcode ? { passcode } : {});
export const content = (share: string): Promise<{ exams: SharedExam[]; watermark: string }> =>
  ask("GET", `/shared/${share}`);

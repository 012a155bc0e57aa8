/** Every Chinese sentence of the patient's pages. None of them tells whether a number, a name or an exam is known. */
export const brand = "云影";
export const title = "我的影像";
export const signOut = "退出";
export const back = "返回";
export const retry = "重试";
export const loading = "正在载入…";

export const gate = {
  heading: "查看我的影像检查",
  lead: "省内各医院的检查影像和报告，凭本人身份查看。",
  stepPhone: "步骤 1/2：验证手机号",
  stepName: "步骤 2/2：核对身份",
  phone: "手机号码",
  phoneHint: "请填写就诊时在医院登记的手机号",
  code: "短信验证码",
  send: "获取验证码",
  sending: "正在发送…",
  again: (seconds: number): string => `${seconds} 秒后重发`,
  sent: "验证码已发送，5 分钟内有效。没有收到时，请检查手机号码和短信拦截设置。",
  next: "下一步",
  name: "姓名",
  nameHint: "与就诊时登记的姓名一致",
  last4: "身份证号码后四位",
  last4Hint: "最后一位是 X 的，请输入 X",
  enter: "查看检查",
  other: "换一个手机号",
  privacy: "填写的内容只用于与医院登记核对，不会公开。请勿把验证码告诉任何人。",
  checking: "正在核对…",
  needPhone: "请填写 11 位手机号码。",
  needCode: "请填写短信中的 6 位数字验证码。",
  needName: "请填写姓名。",
  needLast4: "请填写身份证号码的后四位。",
  expired: "为保护您的隐私，登录已过期，请重新验证。",
} as const;

export const list = {
  heading: "我的检查",
  hospital: "医院",
  allHospitals: "全部医院",
  period: "检查时间",
  periods: [
    ["", "全部时间"],
    ["1", "近一个月"],
    ["6", "近半年"],
    ["12", "近一年"],
    ["custom", "自选日期"],
  ] as readonly (readonly [string, string])[],
  from: "从",
  to: "到",
  more: "加载更多",
  all: "已显示全部检查",
  none: "没有找到检查",
  noneHint: "检查完成后，影像由医院上传，通常需要几分钟到几小时。稍后再来看看，或向就诊医院询问。",
  noneFiltered: "没有符合条件的检查",
  noneFilteredHint: "可以换一家医院，或放宽检查时间。",
  clear: "显示全部检查",
  noDate: "日期未记录",
  year: (year: string): string => `${year}年`,
} as const;

export const exam = {
  view: "查看影像",
  hospital: "检查医院",
  date: "检查时间",
  patient: "姓名",
  kind: "检查类型",
  part: "检查部位",
  images: "影像",
  report: "检查报告",
  noReport: "暂无报告。报告由检查医院出具，请稍后再来查看。",
  charset: "医院系统的文字编码标注有误，姓名等文字是按内容辨认后显示的。如与实际不符，请联系检查医院更正。",
  preliminary: "这是初步报告，请以正式报告为准。",
  findings: "影像所见",
  impression: "诊断意见",
  doctor: "报告医师",
  signed: "报告时间",
  series: "影像序列",
  nothing: "没有找到该检查",
  toList: "查看我的检查",
  note: "报告内容请结合临床，由医生解读。",
} as const;

export const reportStates: Record<string, string> = { preliminary: "初步报告", final: "报告已出" };
export const counts = (series: number, instances: number): string => `${series} 个序列，${instances} 幅`;
export const images = (count: number): string => `${count} 幅`;
export const seriesName = (number: number | null): string => (number === null ? "序列" : `序列 ${number}`);

export const offline = "网络连接不上。请检查手机网络后重试。";
export const slow = "网络较慢，等待超时。请稍后重试。";
export const broken = "系统暂时无法处理，请稍后重试。";

const KINDS: Record<string, string> = {
  CT: "CT",
  MR: "磁共振",
  CR: "X 光",
  DX: "X 光",
  RF: "透视",
  XA: "血管造影",
  US: "超声",
  IVUS: "血管内超声",
  MG: "乳腺 X 光",
  NM: "核医学",
  PT: "PET",
  ES: "内镜",
  SM: "病理",
  OP: "眼底",
  OPT: "眼科 OCT",
  IO: "口腔 X 光",
  PX: "口腔全景",
  ECG: "心电",
};
const PARTS: Record<string, string> = {
  HEAD: "头部",
  SKULL: "头颅",
  BRAIN: "头部",
  NECK: "颈部",
  CSPINE: "颈椎",
  TSPINE: "胸椎",
  LSPINE: "腰椎",
  CHEST: "胸部",
  LUNG: "肺部",
  HEART: "心脏",
  BREAST: "乳房",
  ABDOMEN: "腹部",
  LIVER: "肝脏",
  KIDNEY: "肾脏",
  PELVIS: "骨盆",
  HIP: "髋部",
  SHOULDER: "肩部",
  ELBOW: "肘部",
  HAND: "手",
  KNEE: "膝部",
  ANKLE: "踝部",
  FOOT: "足",
};

/** Modalities for people, each once; presentation states and the like are no exams of their own. */
export function kind(modalities: readonly string[]): string {
  const known = modalities.map((modality) => KINDS[modality]).filter((name): name is string => name !== undefined);
  return [...new Set(known)].join("、") || modalities[0] || "影像";
}

/** A body part for people; what the hospital wrote where it is no defined term. */
export const part = (value: string): string => PARTS[value.toUpperCase()] ?? value;

/** Words put together, with a space where Latin letters meet characters. */
const spaced = (...words: string[]): string =>
  words.reduce((left, right) => (/\w$/.test(left) || /^\w/.test(right) ? `${left} ${right}`.trim() : left + right));

/** What an exam is called. */
export function examTitle(modalities: readonly string[], description: string, bodyPart: string): string {
  return description || spaced(part(bodyPart), kind(modalities), "检查");
}

/** 2026-11-02 as 2026年11月2日. */
export function day(value: string | null): string {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value ?? "");
  return match ? `${match[1]}年${Number(match[2])}月${Number(match[3])}日` : list.noDate;
}

/** An instant as day and minute by Beijing's clock, in which the server writes it. */
export function instant(value: string): string {
  return `${day(value.slice(0, 10))} ${value.slice(11, 16)}`;
}

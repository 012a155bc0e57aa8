/** Every Chinese sentence of the viewer. */
import type { Level } from "./core/choose";
import type { LinkState } from "./core/link";

const SEX: Record<string, string> = { M: "男", F: "女", O: "其他" };
const AGE_UNIT: Record<string, string> = { Y: "岁", M: "个月", W: "周", D: "天" };

/** "056Y" as 56岁; anything else as nothing. */
export function age(value: string): string {
  const match = /^(\d{1,3})([YMWD])$/.exec(value);
  return match ? `${Number(match[1])}${AGE_UNIT[match[2] ?? ""]}` : "";
}

/** A window value as it is read: whole where it is large, with a real minus sign. */
export function figure(value: number): string {
  return String(Number(value.toFixed(Math.abs(value) < 10 ? 2 : 0))).replace("-", "−");
}

export const sex = (value: string): string => SEX[value] ?? "";
export const grade = { browse: "浏览级", diagnostic: "诊断级" } as const;
export const level: Record<Level, string> = { none: "载入中", preview: "预览", screen: "清晰", final: "无损" };
export const link: Record<Exclude<LinkState, "connecting" | "open" | "paused">, string> = {
  reconnecting: "网络中断，正在重连…",
  unreachable: "实时通道不可用，正用普通方式加载",
  expired: "登录已过期，请重新验证身份",
  revoked: "查看权限已结束。如需继续查看，请重新获取链接",
  refused: "与服务器的连接出错，请重试",
};
export const offline = "网络不可用，恢复后自动继续";
export const retry = "重试";
export const toGate = "重新验证";
export const close = "关闭";
export const back = "返回";
export const noImage = "此检查暂无可显示的图像";
export const notYet = "图像正在处理，完成后会自动显示";
export const cannotShow = (text: string): string =>
  text.startsWith("此帧") ? text : `此帧无法显示${text ? `：${text}` : ""}`;
export const cannotDecode = "图像数据无法解码";
export const loadingFrame = (frame: number): string => `正在载入第 ${frame} 幅`;
export const frameOf = (frame: number, frames: number): string => `${frame} / ${frames}`;
export const frameLabel = (frame: number, frames: number): string => `第 ${frame} 幅，共 ${frames} 幅`;
export const windowWidth = "窗宽";
export const windowCentre = "窗位";
export const approximate = "近似";
export const lossy = "有损原图";
export const uncalibrated = "未校准";
export const detectorScale = "探测器平面";
export const frames = (count: number): string => `${count} 幅`;
export const seriesLabel = (index: number | null, description: string, count: number): string =>
  `序列 ${index ?? ""} ${description}，${count} 幅`;
export const image = "影像";
export const seriesList = "序列";
export const tools = "工具";
export const scrubber = "幅序";

export const tool = {
  scroll: "翻页",
  window: "调窗",
  pan: "移动",
  play: "播放",
  pause: "暂停",
  presets: "窗位",
  more: "更多",
  invert: "反相",
  rotate: "旋转",
  mirror: "左右翻转",
  flip: "上下翻转",
  fit: "适应屏幕",
  whole: "1:1",
  reset: "复位",
  help: "帮助",
  speed: "速度",
} as const;
export const perSecond = (fps: number): string => `每秒 ${fps} 幅`;
export const speedHeading = "播放速度（幅/秒）";
export const ownWindow = "原始窗位";

export const help: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    "触屏",
    [
      ["单指上下滑动", "翻页（或当前工具）"],
      ["双指", "缩放与移动"],
      ["双击", "适应屏幕与 1:1 切换"],
      ["右侧滑条", "快速定位"],
    ],
  ],
  [
    "鼠标",
    [
      ["滚轮", "翻页"],
      ["Ctrl + 滚轮", "缩放"],
      ["左键拖动", "当前工具"],
      ["右键拖动", "调窗"],
      ["中键拖动", "移动"],
    ],
  ],
  [
    "键盘",
    [
      ["↑ ↓ ← →", "上一幅、下一幅"],
      ["PageUp PageDown", "前后十幅"],
      ["Home End", "首幅、末幅"],
      ["空格", "播放、暂停"],
      ["1 … 9", "预设窗位"],
      ["+ − 0", "放大、缩小、适应屏幕"],
      ["I R", "反相、旋转"],
      ["H F", "左右翻转、上下翻转"],
      ["?", "帮助"],
    ],
  ],
];
export const helpNote =
  "浏览级图像供查看参考；“无损”表示屏幕所见与服务器按原始数据渲染的结果逐像素一致。离开页面后，本机不保留任何图像。";

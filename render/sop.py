"""What an instance of each SOP class can be shown as, with a Chinese name (PS3.4 B.5)."""

from dataclasses import dataclass
from enum import StrEnum


class Shown(StrEnum):
    """How a viewer shows an instance."""

    IMAGE = "image"
    """One frame."""
    CINE = "cine"
    """Many frames in time or space."""
    PDF = "pdf"
    REPORT = "sr"
    VIDEO = "video"
    WAVEFORM = "waveform"
    NONE = "none"
    """Kept and returned, not shown (radiotherapy, presentation states, raw data)."""


@dataclass(frozen=True)
class SopClass:
    """A SOP class: its UID, how it is shown and what it is called."""

    uid: str
    shown: Shown
    name: str


_STORAGE = "1.2.840.10008.5.1.4.1.1."
_TABLE: dict[str, tuple[Shown, str]] = {
    "1": (Shown.IMAGE, "计算机X线摄影（CR）"),
    "1.1": (Shown.IMAGE, "数字X线摄影（DR）"),
    "1.1.1": (Shown.IMAGE, "数字X线摄影（DR，处理用）"),
    "1.2": (Shown.IMAGE, "数字乳腺X线摄影"),
    "1.2.1": (Shown.IMAGE, "数字乳腺X线摄影（处理用）"),
    "1.3": (Shown.IMAGE, "数字口内X线摄影"),
    "1.3.1": (Shown.IMAGE, "数字口内X线摄影（处理用）"),
    "2": (Shown.IMAGE, "CT图像"),
    "2.1": (Shown.CINE, "增强型CT图像"),
    "2.2": (Shown.CINE, "传统转换增强型CT图像"),
    "3": (Shown.CINE, "超声多帧图像（旧）"),
    "3.1": (Shown.CINE, "超声多帧图像"),
    "4": (Shown.IMAGE, "磁共振图像"),
    "4.1": (Shown.CINE, "增强型磁共振图像"),
    "4.2": (Shown.NONE, "磁共振波谱"),
    "4.3": (Shown.CINE, "增强型彩色磁共振图像"),
    "4.4": (Shown.CINE, "传统转换增强型磁共振图像"),
    "5": (Shown.IMAGE, "核医学图像（旧）"),
    "6": (Shown.IMAGE, "超声图像（旧）"),
    "6.1": (Shown.IMAGE, "超声图像"),
    "6.2": (Shown.CINE, "增强型超声容积"),
    "7": (Shown.IMAGE, "二次采集图像"),
    "7.1": (Shown.CINE, "多帧单比特二次采集图像"),
    "7.2": (Shown.CINE, "多帧灰度字节二次采集图像"),
    "7.3": (Shown.CINE, "多帧灰度字二次采集图像"),
    "7.4": (Shown.CINE, "多帧真彩色二次采集图像"),
    "9.1.1": (Shown.WAVEFORM, "12导联心电图"),
    "9.1.2": (Shown.WAVEFORM, "通用心电图"),
    "9.1.3": (Shown.WAVEFORM, "动态心电图"),
    "9.2.1": (Shown.WAVEFORM, "血流动力学波形"),
    "9.3.1": (Shown.WAVEFORM, "心脏电生理波形"),
    "9.4.1": (Shown.WAVEFORM, "基本语音音频"),
    "9.4.2": (Shown.WAVEFORM, "通用音频"),
    "9.5.1": (Shown.WAVEFORM, "动脉脉搏波形"),
    "9.6.1": (Shown.WAVEFORM, "呼吸波形"),
    "11.1": (Shown.NONE, "灰度软拷贝呈现状态"),
    "11.2": (Shown.NONE, "彩色软拷贝呈现状态"),
    "11.3": (Shown.NONE, "伪彩色软拷贝呈现状态"),
    "11.4": (Shown.NONE, "融合软拷贝呈现状态"),
    "12.1": (Shown.CINE, "X线血管造影图像"),
    "12.1.1": (Shown.CINE, "增强型X线血管造影图像"),
    "12.2": (Shown.CINE, "X线透视图像"),
    "12.2.1": (Shown.CINE, "增强型X线透视图像"),
    "12.3": (Shown.CINE, "X线双平面血管造影图像（旧）"),
    "13.1.1": (Shown.CINE, "三维X线血管造影图像"),
    "13.1.2": (Shown.CINE, "三维颅面X线图像"),
    "13.1.3": (Shown.CINE, "乳腺断层合成图像"),
    "13.1.4": (Shown.CINE, "乳腺投影图像"),
    "13.1.5": (Shown.CINE, "乳腺投影图像（处理用）"),
    "14.1": (Shown.CINE, "血管内OCT图像"),
    "14.2": (Shown.CINE, "血管内OCT图像（处理用）"),
    "20": (Shown.CINE, "核医学图像"),
    "30": (Shown.CINE, "参数图"),
    "66": (Shown.NONE, "原始数据"),
    "66.1": (Shown.NONE, "空间配准"),
    "66.2": (Shown.NONE, "空间基准点"),
    "66.3": (Shown.NONE, "可变形空间配准"),
    "66.4": (Shown.CINE, "分割"),
    "66.5": (Shown.NONE, "表面分割"),
    "66.6": (Shown.NONE, "纤维束追踪结果"),
    "66.7": (Shown.CINE, "标签图分割"),
    "67": (Shown.NONE, "真实世界值映射"),
    "68.1": (Shown.NONE, "表面扫描网格"),
    "77.1.1": (Shown.IMAGE, "内镜图像"),
    "77.1.1.1": (Shown.VIDEO, "内镜视频"),
    "77.1.2": (Shown.IMAGE, "显微镜图像"),
    "77.1.2.1": (Shown.VIDEO, "显微镜视频"),
    "77.1.3": (Shown.IMAGE, "带坐标的显微镜图像"),
    "77.1.4": (Shown.IMAGE, "摄影图像"),
    "77.1.4.1": (Shown.VIDEO, "摄影视频"),
    "77.1.5.1": (Shown.IMAGE, "眼科摄影（8位）"),
    "77.1.5.2": (Shown.IMAGE, "眼科摄影（16位）"),
    "77.1.5.3": (Shown.NONE, "立体测量关系"),
    "77.1.5.4": (Shown.CINE, "眼科断层图像"),
    "77.1.6": (Shown.CINE, "全视野病理切片"),
    "79.1": (Shown.NONE, "眼轴测量"),
    "88.11": (Shown.REPORT, "基本文本结构化报告"),
    "88.22": (Shown.REPORT, "增强型结构化报告"),
    "88.33": (Shown.REPORT, "综合结构化报告"),
    "88.34": (Shown.REPORT, "综合三维结构化报告"),
    "88.35": (Shown.REPORT, "可扩展结构化报告"),
    "88.40": (Shown.REPORT, "操作日志"),
    "88.50": (Shown.REPORT, "乳腺计算机辅助检测报告"),
    "88.59": (Shown.NONE, "关键对象选择"),
    "88.65": (Shown.REPORT, "胸部计算机辅助检测报告"),
    "88.67": (Shown.REPORT, "X线辐射剂量报告"),
    "88.68": (Shown.REPORT, "放射性药物剂量报告"),
    "88.69": (Shown.REPORT, "结肠计算机辅助检测报告"),
    "88.71": (Shown.REPORT, "采集上下文报告"),
    "104.1": (Shown.PDF, "封装PDF文档"),
    "104.2": (Shown.NONE, "封装CDA文档"),
    "104.3": (Shown.NONE, "封装STL模型"),
    "128": (Shown.IMAGE, "PET图像"),
    "128.1": (Shown.CINE, "传统转换增强型PET图像"),
    "130": (Shown.CINE, "增强型PET图像"),
    "481.1": (Shown.IMAGE, "放疗图像"),
    "481.2": (Shown.CINE, "放疗剂量"),
    "481.3": (Shown.NONE, "放疗结构集"),
    "481.4": (Shown.NONE, "放疗射束治疗记录"),
    "481.5": (Shown.NONE, "放疗计划"),
    "481.6": (Shown.NONE, "放疗近距离治疗记录"),
    "481.7": (Shown.NONE, "放疗总结记录"),
    "481.8": (Shown.NONE, "放疗离子计划"),
    "481.9": (Shown.NONE, "放疗离子射束治疗记录"),
}
_VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (100, 101, 102, 103, 104, 105, 106, 107, 108))


def sop_class(uid: str, transfer_syntax_uid: str = "", frames: int = 1) -> SopClass:
    """How an instance of SOP class `uid` is shown; unknown classes are `Shown.NONE`, named by what they are.

    A video transfer syntax makes any class a video; more than one frame makes an image a cine, and a
    single frame of a multi-frame class is an image.
    """
    shown, name = _TABLE.get(uid.removeprefix(_STORAGE), (Shown.NONE, "其他对象"))
    if not uid.startswith(_STORAGE):
        shown, name = Shown.NONE, "其他对象"
    if transfer_syntax_uid.startswith(_VIDEO_SYNTAXES):
        shown = Shown.VIDEO
    elif shown in (Shown.IMAGE, Shown.CINE):
        shown = Shown.CINE if frames > 1 else Shown.IMAGE
    return SopClass(uid, shown, name)

/** The sentences of the section that says who opened an exam. */
export const seen = {
  heading: "谁看过我的影像",
  lead: "每次打开都会记录。半小时内的多次打开合为一条。",
  none: "还没有人看过这次检查。",
  more: "查看更早的记录",
  doubt: "发现不认识的记录？请联系检查医院核实；分享给别人的，可在“我的分享”中收回。",
  from: (address: string): string => `网络地址 ${address}`,
} as const;

/** Who it was, with the hospital of a member of staff. */
export const viewerOf = (viewer: string, institution: string): string =>
  institution ? `${viewer}（${institution}）` : viewer;

"""The server of 云影 Yunying: one package per capability, over `platform` and `render`."""

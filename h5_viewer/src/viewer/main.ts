import "./main.css";
export const started = true;

// Before the page is painted: the theme that this browser was told to use, if any.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("ltforge-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.setAttribute("aria-label", "Change between light and dark");
    button.hidden = false;
    tell();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      localStorage.setItem("ltforge-theme", root.dataset.theme);
      tell();
    });
  });
})();

// What needs a script: uploads with their progress. Nothing here is needed to read a page.
"use strict";

function upload(form) {
  const file = form.querySelector("input[type=file]").files[0];
  const said = form.querySelector(".said");
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  if (!file) return;
  if (file.size > Number(form.dataset.largest)) {
    said.textContent = "The file is larger than the service takes.";
    return;
  }
  const name = form.querySelector("input:not([type])").value.trim() || file.name;
  const request = new XMLHttpRequest();
  request.open("POST", `/files/${form.dataset.kind}?name=${encodeURIComponent(name)}`);
  request.setRequestHeader("X-Form-Token", form.elements.form_token.value);
  request.setRequestHeader("Accept", "text/plain");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  const over = (text) => {
    said.textContent = text;
    bar.hidden = true;
    button.disabled = false;
  };
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  });
  request.addEventListener("load", () => {
    if (request.status !== 201) { over(request.responseText); return; }
    over(`Uploaded ${name}.`);
    form.reset();
    htmx.ajax("GET", "/files", { target: "#uploads", select: "#uploads", swap: "outerHTML" });
  });
  request.addEventListener("error", () => over("The connection broke; upload the file again."));
  bar.value = 0;
  bar.hidden = false;
  button.disabled = true;
  said.textContent = `Uploading ${name} …`;
  request.send(file);
}

document.addEventListener("submit", (event) => {
  if (event.target.classList.contains("uploader")) {
    event.preventDefault();
    upload(event.target);
  }
});

// The mask: keys, wheel and dragging do what its buttons do.
const MOVES = {
  "+": "in", "=": "in", "-": "out", "0": "all",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
};

document.addEventListener("keydown", (event) => {
  const mask = event.target.closest?.("#mask");
  const move = MOVES[event.key];
  if (!mask || !move || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  mask.querySelector(`[data-move="${move}"]`).click();
});

function part(mask) {
  const [top, bottom] = mask.dataset.rows.split(":").map(Number);
  const [left, right] = mask.dataset.columns.split(":").map(Number);
  return { top, left, rows: bottom - top, columns: right - left };
}

function lookAt(mask, top, rows, left, columns) {
  const height = Number(mask.dataset.height);
  const width = Number(mask.dataset.width);
  const within = (first, length, all) => Math.round(Math.min(Math.max(0, first), all - length));
  rows = Math.round(Math.min(Math.max(8, rows), height)) || height;
  columns = Math.round(Math.min(Math.max(8, columns), width)) || width;
  top = within(top, rows, height);
  left = within(left, columns, width);
  const asked = new URLSearchParams({
    layer: mask.dataset.layer, rows: `${top}:${top + rows}`, columns: `${left}:${left + columns}`,
  });
  htmx.ajax("GET", `${mask.dataset.address}?${asked}`, { target: "#mask", swap: "outerHTML" });
}

let wheelPause = 0;
document.addEventListener("wheel", (event) => {
  const picture = event.target.closest?.("#mask img");
  if (!picture || !event.ctrlKey && !event.shiftKey) return;
  event.preventDefault();
  if (Date.now() < wheelPause) return;
  wheelPause = Date.now() + 250;
  const mask = picture.closest("#mask");
  const { top, left, rows, columns } = part(mask);
  const x = event.offsetX / picture.clientWidth;
  const y = event.offsetY / picture.clientHeight;
  const factor = (event.deltaY || event.deltaX) < 0 ? 0.5 : 2;
  lookAt(mask, top + y * rows * (1 - factor), rows * factor, left + x * columns * (1 - factor), columns * factor);
}, { passive: false });

let drag = null;
document.addEventListener("pointerdown", (event) => {
  const picture = event.target.closest?.("#mask img");
  if (picture) drag = { picture, x: event.clientX, y: event.clientY };
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { picture, x, y } = drag;
  drag = null;
  const right = (x - event.clientX) / picture.clientWidth;
  const down = (y - event.clientY) / picture.clientHeight;
  if (Math.hypot(event.clientX - x, event.clientY - y) < 8) return;
  const mask = picture.closest("#mask");
  const { top, left, rows, columns } = part(mask);
  lookAt(mask, top + down * rows, rows, left + right * columns, columns);
});
document.addEventListener("dblclick", (event) => {
  const picture = event.target.closest?.("#mask img");
  if (!picture) return;
  const mask = picture.closest("#mask");
  const { top, left, rows, columns } = part(mask);
  const x = event.offsetX / picture.clientWidth;
  const y = event.offsetY / picture.clientHeight;
  lookAt(mask, top + y * rows - rows / 4, rows / 2, left + x * columns - columns / 4, columns / 2);
});
// The whole figure is swapped: what had the keyboard's focus must have it again.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "mask") event.detail.target.dataset.focused = String(document.activeElement === event.detail.target);
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.dataset.focused === "true") document.getElementById("mask").focus({ preventScroll: true });
});

// Copying, where the browser lets us.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = "Copied";
    });
  }
}

// What refreshes itself is old while the service does not answer: say so, until it does again.
function tellConnection(lost) {
  document.getElementById("lost").hidden = !lost;
}
document.addEventListener("htmx:sendError", () => tellConnection(true));
document.addEventListener("htmx:afterOnLoad", () => tellConnection(false));

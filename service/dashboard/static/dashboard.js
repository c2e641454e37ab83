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

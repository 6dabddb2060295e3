"use strict";
// Conveniences only: the page works without any of this.
(() => {
  const form = document.querySelector("form");
  const call = document.getElementById("call");
  const tidy = document.getElementById("tidy");
  const submit = form.querySelector("button[type=submit]");

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    form.setAttribute("aria-busy", "true");
    submit.disabled = true;
  });
  // A page that comes back from the browser's history must not stay busy.
  window.addEventListener("pageshow", () => {
    form.removeAttribute("aria-busy");
    submit.disabled = false;
  });

  const fit = () => { tidy.hidden = !document.getElementById("mode-json").checked; };
  form.addEventListener("change", fit);
  fit();
  tidy.addEventListener("click", () => {
    try {
      call.value = JSON.stringify(JSON.parse(call.value), null, 2);
      call.setCustomValidity("");
    } catch {
      call.setCustomValidity("This is not JSON yet.");
      call.reportValidity();
    }
  });
  call.addEventListener("input", () => call.setCustomValidity(""));

  const result = document.getElementById("result");
  if (result) result.focus({ preventScroll: true });
})();

// ipywidgets gives its slider handles no name, and tells screen readers an index in place of the
// value. Here each handle takes its label as its name and its readout as its value.
(() => {
  // The handle of ipywidgets 7 (jQuery UI) says no number, which the role of a slider requires, nor how
  // many places there are: so its place is told as a share of the way, which its style holds.
  const place = (handle) => {
    const share = Math.round(parseFloat(handle.style.left || handle.style.bottom) || 0);
    const said = { "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": share };
    for (const [key, value] of Object.entries(said))
      if (handle.getAttribute(key) !== `${value}`) handle.setAttribute(key, value);
  };
  const name = () => {
    for (const slider of document.querySelectorAll(".widget-slider:not([data-named])")) {
      const handle = slider.querySelector(".noUi-handle, .ui-slider-handle");
      const label = slider.querySelector(".widget-label");
      const readout = slider.querySelector(".widget-readout");
      if (!handle || !label?.textContent) continue;
      slider.dataset.named = label.textContent;
      handle.setAttribute("role", "slider");
      handle.setAttribute("aria-label", label.textContent);
      if (handle.matches(".ui-slider-handle")) {
        new MutationObserver(() => place(handle)).observe(handle, { attributes: true, attributeFilter: ["style"] });
        place(handle);
      }
      if (!readout) continue;
      const say = () => {
        if (handle.getAttribute("aria-valuetext") !== readout.textContent)
          handle.setAttribute("aria-valuetext", readout.textContent);
      };
      new MutationObserver(say).observe(readout, { childList: true, characterData: true, subtree: true });
      new MutationObserver(say).observe(handle, { attributes: true, attributeFilter: ["aria-valuetext"] });
      say();
    }
  };
  const start = () => {
    if (window.drocoNamesSliders) return;
    window.drocoNamesSliders = true;
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
    name();
  };
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})();

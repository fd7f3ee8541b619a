// ipywidgets gives its slider handles no name, and tells screen readers an index in place of the
// value. Here each handle takes its label as its name and its readout as its value.
(() => {
  const name = () => {
    for (const slider of document.querySelectorAll(".widget-slider:not([data-named])")) {
      const handle = slider.querySelector(".noUi-handle, .ui-slider-handle");
      const label = slider.querySelector(".widget-label");
      const readout = slider.querySelector(".widget-readout");
      if (!handle || !label?.textContent) continue;
      slider.dataset.named = label.textContent;
      handle.setAttribute("role", "slider");
      handle.setAttribute("aria-label", label.textContent);
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

// Small mends; every page works without them. ipywidgets still asks MathJax 2 to typeset labels.
addEventListener("DOMContentLoaded", () => {
  if (window.MathJax) MathJax.Hub = { Queue() {} };
  openAddressed();
  document.querySelectorAll(".droco-plot").forEach(keepHeight);
});

// A Plotly figure keeps its height where the page is turned and changes its colours at once: one of
// the two measures the place, which must not be empty then.
function keepHeight(plot) {
  new MutationObserver((_changes, watch) => {
    const height = plot.querySelector(".svg-container")?.style.height;
    if (!parseFloat(height)) return;
    plot.style.minHeight = height;
    watch.disconnect();
  }).observe(plot, {attributes: true, childList: true, subtree: true});
}

// A folded section opens where an address, a link or the contents lead into it, and for print.
function openAddressed() {
  const id = decodeURIComponent(location.hash.slice(1));
  const place = id && document.getElementById(id);
  if (!place) return;
  for (let e = place; e; e = e.parentElement) {
    const fold = e.matches("details") ? e : e.querySelector(":scope > details.droco-fold");
    if (fold) fold.open = true;
  }
  place.scrollIntoView();
}
addEventListener("hashchange", openAddressed);
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.droco-fold")) fold.open = true;
});
// Figures that take the width of their place had none while they were folded.
addEventListener("toggle", (event) => {
  if (event.target.matches?.("details")) dispatchEvent(new Event("resize"));
}, true);

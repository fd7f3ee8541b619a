// A small mend; every page works without it. ipywidgets still asks MathJax 2 to typeset labels.
addEventListener("DOMContentLoaded", () => {
  if (window.MathJax) MathJax.Hub = { Queue() {} };
});

// Mathematics in answers: elements with data-tex, drawn by KaTeX. It is loaded only on pages that have some.

let loading = null;

export async function drawMath(root) {
  const waiting = [...root.querySelectorAll("[data-tex]:not([data-drawn])")];
  if (!waiting.length) return;
  await (loading ??= load());
  for (const element of waiting) {
    element.dataset.drawn = "";
    const options = { displayMode: element.classList.contains("math-block"), throwOnError: false, trust: false, maxExpand: 500, maxSize: 20 };
    try {
      window.katex.render(element.dataset.tex, element, options);
    } catch {
      // what cannot be drawn stays readable as its source
      element.textContent = element.dataset.tex;
    }
  }
}

function load() {
  const { katex, katexCss } = document.querySelector("script[data-katex]").dataset;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: katexCss }));
  return new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("script"), { src: katex, onload: resolve, onerror: reject }));
  });
}

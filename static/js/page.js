/* Small things that any page may ask for by attribute:
   data-pv-focus          takes the focus when it appears (error summaries)
   data-pv-copy="#id"     a button that copies that element's text and says so; stays hidden without a script
   data-pv-print          a button that prints the page */

document.querySelector("[data-pv-focus]")?.focus();

for (const button of document.querySelectorAll("[data-pv-copy], [data-pv-print]")) {
  button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-pv-copy], [data-pv-print]");
  if (!button) return;
  if (button.hasAttribute("data-pv-print")) {
    window.print();
    return;
  }
  const source = document.querySelector(button.dataset.pvCopy);
  const text = (source.value ?? source.textContent).trim();
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.pvDone || button.textContent;
  } catch {
    // no clipboard without a secure origin: select it, so that the keyboard can copy
    if (source.select) source.select();
    else window.getSelection().selectAllChildren(source);
  }
});

// The hidden field that tells the server which parts of a question were really moved or changed.

export function markTouched(element, field) {
  const hidden = element.closest("[data-question]")?.querySelector('input[type="hidden"][name$="-touched"]');
  if (!hidden) return;
  const parts = hidden.value.split(",").filter(Boolean);
  if (parts.includes(field)) return;
  hidden.value = [...parts, field].join(",");
  hidden.dispatchEvent(new Event("change", { bubbles: true }));
}

// The set's name is offered out of the sets of the chosen study. Without scripts all are offered, each with its study.

const study = document.querySelector("#set-upload [name=study]");
const list = document.getElementById("sets");

if (study && list) {
  const every = [...list.options];
  const narrow = () => list.replaceChildren(...every.filter((one) => !study.value || one.dataset.study === study.value));
  study.addEventListener("change", narrow);
  narrow();
}

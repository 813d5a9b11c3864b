"use strict";
const tip = document.getElementById("tip");
const card = document.getElementById("timeline");
const scene = card.querySelector("svg");
let lit = [];

function show(event) {
  const mark = event.target.closest("[data-tip]");
  for (const one of lit) one.classList.remove("lit");
  lit = [];
  if (!mark) { tip.style.display = "none"; return; }
  if (mark.dataset.job) {
    lit = [...scene.querySelectorAll(`[data-job="${CSS.escape(mark.dataset.job)}"]`)];
    for (const one of lit) one.classList.add("lit");
  }
  tip.textContent = mark.dataset.tip;
  tip.style.display = "block";
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 16 + box.width < innerWidth;
  const below = event.clientY + 16 + box.height < innerHeight;
  tip.style.left = `${right ? event.clientX + 16 : Math.max(8, event.clientX - 16 - box.width)}px`;
  tip.style.top = `${below ? event.clientY + 16 : Math.max(8, event.clientY - 16 - box.height)}px`;
}

scene.addEventListener("pointermove", show);
scene.addEventListener("pointerleave", show);
for (const button of card.querySelectorAll("[data-by]")) {
  button.addEventListener("click", () => {
    card.classList.toggle("outcome", button.dataset.by === "outcome");
    for (const one of card.querySelectorAll("[data-by]")) one.setAttribute("aria-pressed", String(one === button));
  });
}

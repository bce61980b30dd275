// What every page with questions loads. Without it every question can be answered; with it sliders, long lists,
// conditions and boxes are easier to use.
import "./questions/combobox.js";
import "./questions/edit.js";
import "./questions/extract.js";
import "./questions/ranking.js";
import "./questions/slider.js";
import "./questions/spans.js";
import "./questions/sum.js";
import "./questions/tree.js";
import { watchBoxes } from "./questions/boxes.js";
import { watchConditions } from "./questions/conditions.js";

watchBoxes(document);
watchConditions(document);

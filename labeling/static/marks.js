// Marks on a text: by mouse and by keyboard. Places are Unicode code points, as everywhere in Skerry; the browser counts UTF-16 and is converted here.
"use strict";

class Marks {
  // `field` shows the text; `looks` tells {name, className, color} of a label id; `changed` is called after each change
  constructor(field, looks, changed) {
    this.field = field;
    this.looks = looks;
    this.changed = changed;
    this.pieces = [...field.childNodes].map((node) => ({
      text: [...node.textContent],
      ghost: node.nodeType === Node.ELEMENT_NODE ? node.dataset.name : "",
    }));
    this.characters = this.pieces.flatMap((piece) => piece.text);
    this.ghosts = this.pieces.flatMap((piece) => piece.text.map(() => piece.ghost));
    this.words = this.segmented();
    this.spans = [];
    this.suggested = [];
    this.caret = null; // {anchor, focus} between characters, while the keyboard selects
    this.chosen = -1; // the mark that keys act on
  }

  // [start, end) of each word; a browser without a segmenter goes by letters and digits
  segmented() {
    const text = this.characters.join("");
    const found = [];
    let at = 0;
    if (window.Intl && Intl.Segmenter) {
      for (const { segment, isWordLike } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
        const size = [...segment].length;
        if (isWordLike || segment.trim()) found.push([at, at + size]);
        at += size;
      }
      return found;
    }
    for (const part of text.match(/[\p{L}\p{N}]+|\s+|./gsu) || []) {
      const size = [...part].length;
      if (part.trim()) found.push([at, at + size]);
      at += size;
    }
    return found;
  }

  // the code points before a place in the page; what is drawn by CSS has none
  place(node, offset) {
    const range = document.createRange();
    range.setStart(this.field, 0);
    range.setEnd(node, offset);
    return [...range.toString()].length;
  }

  // what is selected, as [start, end) without blanks at its edges, or null
  selection() {
    if (!this.caret) return null;
    let [start, end] = [this.caret.anchor, this.caret.focus].sort((a, b) => a - b);
    while (start < end && !this.characters[start].trim()) start++;
    while (end > start && !this.characters[end - 1].trim()) end--;
    return start < end ? [start, end] : null;
  }

  // after the mouse let go: what it selected is selected here too; a click in a mark chooses that
  fit() {
    const chosen = document.getSelection();
    if (!chosen.rangeCount || !this.field.contains(chosen.anchorNode)) return;
    const anchor = this.place(chosen.anchorNode, chosen.anchorOffset);
    let focus = anchor;
    if (this.field.contains(chosen.focusNode)) focus = this.place(chosen.focusNode, chosen.focusOffset);
    else if (chosen.focusNode) focus = this.field.compareDocumentPosition(chosen.focusNode) & Node.DOCUMENT_POSITION_PRECEDING ? 0 : this.characters.length;
    const at = this.spans.findIndex((span) => span.start <= anchor && anchor < span.end);
    chosen.removeAllRanges();
    this.put(anchor === focus ? { caret: null, chosen: at } : { caret: { anchor, focus }, chosen: -1 });
  }

  // give what is selected, or the chosen mark, this label; false where there is neither
  label(label) {
    const ends = this.selection();
    if (ends) {
      const [start, end] = ends;
      this.spans = this.spans.filter((span) => span.end <= start || end <= span.start); // a new mark takes the place of what it crosses
      this.spans.push({ start, end, label });
      this.spans.sort((a, b) => a.start - b.start);
      this.put({ caret: { anchor: end, focus: end }, chosen: -1 });
    } else if (this.chosen >= 0) {
      this.spans[this.chosen] = { ...this.spans[this.chosen], label };
      this.put({});
    } else {
      return false;
    }
    this.changed();
    return true;
  }

  remove() {
    if (this.chosen < 0) return;
    this.spans.splice(this.chosen, 1);
    this.put({ chosen: -1 });
    this.changed();
  }

  next(step) {
    if (!this.spans.length) return false;
    const at = this.chosen < 0 ? (step > 0 ? 0 : this.spans.length - 1) : this.chosen + step;
    if (at < 0 || at >= this.spans.length) {
      this.put({ chosen: -1 });
      return false;
    }
    this.put({ chosen: at, caret: null });
    return true;
  }

  // by `word` or by character, one `step` on or back; `extend` keeps the other end
  move(step, extend, word) {
    const from = this.caret || { anchor: step > 0 ? 0 : this.characters.length, focus: step > 0 ? 0 : this.characters.length };
    let to = from.focus + step;
    if (word && extend) {
      const ends = this.words.map(([start, end]) => (step > 0 ? end : start));
      to = step > 0 ? ends.find((end) => end > from.focus) : ends.findLast((start) => start < from.focus);
    } else if (word) {
      const low = Math.min(from.anchor, from.focus);
      const high = Math.max(from.anchor, from.focus);
      const there = step > 0 ? this.words.find(([start]) => start >= high) : this.words.findLast(([, end]) => end <= low);
      if (there) this.put({ caret: { anchor: there[0], focus: there[1] }, chosen: -1 });
      return;
    }
    if (to === undefined) return;
    to = Math.max(0, Math.min(this.characters.length, to));
    this.put({ caret: { anchor: extend ? from.anchor : to, focus: to }, chosen: -1 });
  }

  put(change) {
    Object.assign(this, change);
    this.draw();
  }

  draw() {
    const edges = new Set([0, this.characters.length]);
    const caret = this.caret ? [Math.min(this.caret.anchor, this.caret.focus), Math.max(this.caret.anchor, this.caret.focus)] : null;
    for (const { start, end } of [...this.spans, ...this.suggested]) edges.add(start).add(end);
    if (caret) caret.forEach((edge) => edges.add(edge));
    const sorted = [...edges].sort((a, b) => a - b);
    const shown = sorted.slice(1).map((end, number) => this.stretch(sorted[number], end, caret));
    this.field.replaceChildren(...shown);
    const there = this.field.querySelector(".caret, mark.on");
    if (there) there.scrollIntoView({ block: "nearest" });
  }

  stretch(start, end, caret) {
    const inside = (span) => span.start <= start && end <= span.end;
    const number = this.spans.findIndex(inside);
    const span = number >= 0 ? this.spans[number] : this.suggested.find(inside);
    let box = document.createElement("span");
    if (span) {
      const look = this.looks(span.label);
      box = document.createElement("mark");
      box.className = look.className + (number < 0 ? " suggested" : "") + (number >= 0 && number === this.chosen ? " on" : "") + (end < span.end ? " cut" : "");
      if (look.color) box.style.setProperty("--c", look.color);
      box.dataset.name = look.name;
    }
    if (caret && caret[0] <= start && end <= caret[1]) box.classList.add("caret");
    this.fill(box, start, end);
    return box;
  }

  fill(box, start, end) {
    let plain = "";
    const flush = () => {
      if (plain) box.append(plain);
      plain = "";
    };
    for (let at = start; at < end; at++) {
      if (!this.ghosts[at]) {
        plain += this.characters[at];
        continue;
      }
      flush();
      const ghost = document.createElement("bdi");
      ghost.className = "ghost";
      ghost.dataset.name = ghost.title = this.ghosts[at];
      ghost.textContent = this.characters[at];
      box.append(ghost);
    }
    flush();
  }
}

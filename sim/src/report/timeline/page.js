// Zoom, messages and hints. Every element with a place in time carries it in data-t and data-u, in microseconds.
(() => {
  const find = id => document.getElementById(id);
  const data = JSON.parse(find('data').textContent), svg = find('timeline'), tip = find('tip'), cursor = find('cursor');
  const LEFT = +svg.dataset.left, WIDTH = +svg.dataset.width, RIGHT = LEFT + WIDTH;
  const bottom = svg.viewBox.baseVal.height;
  let from = 0, to = data.ended, request = null;
  const x = t => LEFT + (t - from) * WIDTH / (to - from);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const make = (tag, attributes, text) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // Titles become hints that show at once.
  for (const title of svg.querySelectorAll('title')) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const placed = [...svg.querySelectorAll('[data-t]')].map(element => {
    const t = +element.dataset.t, u = element.dataset.u === undefined ? t : +element.dataset.u;
    return { element, t, u, kind: element.classList.contains('note') ? 'note' : element.classList.contains('inside') ? 'inside' : element.tagName };
  });

  function place({ element, t, u, kind }) {
    const a = clamp(x(t), LEFT - 30, RIGHT + 30), b = clamp(x(u), LEFT - 30, RIGHT + 30);
    const seen = u >= from && t <= to;
    element.style.display = seen ? '' : 'none';
    if (!seen) return;
    if (kind === 'rect') {
      element.setAttribute('x', a);
      element.setAttribute('width', Math.max(b - a, 1));
    } else if (kind === 'note') {
      const needed = element.getComputedTextLength();
      if (b + 8 + needed <= RIGHT || a - 8 - needed < LEFT) {
        element.setAttribute('x', Math.max(Math.min(b + 8, RIGHT - needed), LEFT + 4));
        element.setAttribute('text-anchor', 'start');
      } else {
        element.setAttribute('x', a - 8);
        element.setAttribute('text-anchor', 'end');
      }
    } else if (kind === 'inside') {
      const low = Math.max(a, LEFT), high = Math.min(b, RIGHT);
      element.style.display = high - low < +element.dataset.w ? 'none' : '';
      element.setAttribute('x', (low + high) / 2);
    } else {
      element.setAttribute('x', x(t));
    }
  }

  const STEPS = [1, 2, 5].flatMap(digit => [...Array(8).keys()].map(power => digit * 10 ** power))
    .concat([6e7, 12e7, 3e8, 6e8, 18e8, 36e8, 72e8, 216e8, 864e8]).sort((a, b) => a - b);
  function clock(t, step) {
    if (step >= 6e7 || t >= 72e8) {
      const minutes = Math.floor(t / 6e7), seconds = (t % 6e7) / 1e6;
      return Math.floor(minutes / 60) + ':' + String(minutes % 60).padStart(2, '0') + (step >= 6e7 ? ' h' : ':' + seconds.toFixed(step >= 1e6 ? 0 : 3).padStart(2, '0'));
    }
    const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e4 ? 2 : step >= 1e3 ? 3 : 6;
    return (t / 1e6).toFixed(digits) + ' s';
  }
  function axis() {
    const step = STEPS.find(step => (to - from) / step <= 12) || (to - from);
    const group = find('axis');
    group.replaceChildren();
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      group.append(make('line', { class: 'tick', x1: x(t), x2: x(t), y1: data.axis - 6, y2: bottom }));
      group.append(make('text', { class: 'tick', x: clamp(x(t), LEFT + 12, RIGHT - 16), y: data.axis - 11 }, clock(t, step)));
    }
  }

  function messages() {
    const group = find('messages');
    group.replaceChildren();
    // A lost message counts where it was sent: nobody knows where it ended.
    const seen = data.messages.filter(m => (m[6] ? m[0] : m[3]) >= from && m[0] <= to && (request === null || m[5] === request));
    const few = seen.length <= 1200 && (request !== null || to - from < data.ended);
    if (few) {
      for (const [sent, a, b, end, kind, about, loss] of seen) {
        const [x1, y1] = [x(sent), data.lanes[a][1]];
        const x2 = loss ? x1 + 9 : x(end), y2 = loss ? y1 + 11 * Math.sign(data.lanes[b][1] - y1) : data.lanes[b][1];
        const text = `${data.kinds[kind]}\n${data.lanes[a][0]} \u2192 ${data.lanes[b][0]}` +
          (about < 0 ? '' : `, request ${about}`) + `\nsent ${clock(sent, 1e3)}, ` + (loss ? 'lost: ' + data.losses[loss] : `${((end - sent) / 1e3).toFixed(2)} ms`);
        const line = make('line', { x1, y1, x2, y2, class: loss ? 'lost' : '', 'marker-end': `url(#${loss ? 'lost' : 'head'})` });
        line.dataset.tip = text;
        group.append(line);
        if (seen.length <= 60 && x2 - x1 > data.kinds[kind].length * 5.5) {
          group.append(make('text', { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 2 }, data.kinds[kind]));
        }
      }
    }
    const left = data.left_out ? ` (${data.left_out} more are in the trace only)` : '';
    find('shown').textContent = `${clock(from, 1e3)} to ${clock(to, 1e3)}, ${seen.length} messages` +
      (request === null ? '' : ` of request ${request}`) + (few || !seen.length ? '' : ', closer to see them') + left;
  }

  function show(low, high) {
    const span = clamp(high - low, 200, data.ended);
    from = clamp(low, 0, data.ended - span);
    to = from + span;
    placed.forEach(place);
    axis();
    messages();
    for (const label of svg.querySelectorAll('g.request')) label.classList.toggle('chosen', +label.dataset.request === request);
    history.replaceState(null, '', from === 0 && to === data.ended && request === null ? '#' :
      `#${Math.round(from)}-${Math.round(to)}` + (request === null ? '' : `r${request}`));
  }
  const zoom = (factor, middle = (from + to) / 2) => show(middle - (middle - from) * factor, middle + (to - middle) * factor);
  const move = part => show(from + (to - from) * part, to + (to - from) * part);
  const fit = () => { request = null; show(0, data.ended); };
  function choose(label) {
    request = +label.dataset.request;
    const low = +label.dataset.from, high = +label.dataset.to, room = Math.max((high - low) * 0.15, 20000);
    show(low - room, high + room);
  }

  const inside = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const time = event => from + (clamp(inside(event).x, LEFT, RIGHT) - LEFT) * (to - from) / WIDTH;
  const core = t => data.cores.filter(core => core[0] <= t).pop();
  let began = null;
  svg.addEventListener('pointerdown', event => { if (inside(event).x >= LEFT) began = time(event); });
  svg.addEventListener('pointermove', event => {
    const at = time(event), over = inside(event).x >= LEFT, size = core(at);
    cursor.style.display = over ? 'block' : 'none';
    cursor.setAttribute('x1', x(at));
    cursor.setAttribute('x2', x(at));
    if (began !== null) {
      find('chosen').setAttribute('x', Math.min(x(began), x(at)));
      find('chosen').setAttribute('width', Math.abs(x(at) - x(began)));
    }
    const said = event.target.closest('[data-tip]');
    tip.hidden = !said && !over;
    tip.textContent = (over ? clock(at, 1e3) + (size ? `, live core ${size[1]}${size[2] ? '' : ': no signature possible'}` : '') : '') +
      (said && over ? '\n' : '') + (said ? said.dataset.tip : '');
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
    tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8) + 'px';
  });
  svg.addEventListener('pointerleave', () => { tip.hidden = true; cursor.style.display = 'none'; });
  addEventListener('pointerup', event => {
    if (began === null) return;
    const [low, high] = [began, time(event)].sort((a, b) => a - b);
    began = null;
    find('chosen').setAttribute('width', 0);
    if (x(high) - x(low) > 5) show(low, high);
  });
  svg.addEventListener('click', event => { const label = event.target.closest('g.request'); if (label) choose(label); });
  svg.addEventListener('dblclick', fit);
  svg.addEventListener('wheel', event => {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, time(event));
  }, { passive: false });
  addEventListener('keydown', event => {
    const label = document.activeElement.closest && document.activeElement.closest('g.request');
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter' && label) choose(label);
    else if (event.key === '+') zoom(0.5);
    else if (event.key === '-') zoom(2);
    else if (event.key === 'ArrowLeft') move(-0.4);
    else if (event.key === 'ArrowRight') move(0.4);
    else if (event.key === 'Escape' || event.key === '0') fit();
  });
  find('in').onclick = () => zoom(0.5);
  find('out').onclick = () => zoom(2);
  find('back').onclick = () => move(-0.4);
  find('forth').onclick = () => move(0.4);
  find('fit').onclick = fit;
  find('tools').hidden = false;
  const asked = /^#(\d+)-(\d+)(?:r(\d+))?$/.exec(location.hash);
  if (asked) {
    request = asked[3] === undefined ? null : +asked[3];
    show(+asked[1], +asked[2]);
  } else {
    show(0, data.ended);
  }
})();

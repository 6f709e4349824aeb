"""How the page looks: few rules in the theme's own colours, which serve light and dark, wide and narrow alike."""

CSS = """
.gradio-container { max-width: 1400px !important; margin: 0 auto; }
#consent p, #status p { margin: 0.2rem 0; }
.faba-note { color: var(--body-text-color); font-size: var(--text-sm); margin: 0.2rem 0; }
.faba-warning { border-left: 4px solid var(--color-accent); background: var(--background-fill-secondary);
  color: var(--body-text-color); padding: 0.4rem 0.8rem; margin: 0.3rem 0; list-style: none; border-radius: 4px; }
.faba-labels h3, #faces-title h3 { font-size: var(--text-md); margin: 0.5rem 0 0.2rem; }
.faba-chips { display: flex; flex-wrap: wrap; gap: 0.35rem; list-style: none; padding: 0; margin: 0.2rem 0; }
.faba-chips li { background: var(--color-accent-soft); color: var(--body-text-color);
  border: 1px solid var(--border-color-accent); border-radius: 999px; padding: 0.1rem 0.7rem; }
.faba-meters { list-style: none; padding: 0; margin: 0.3rem 0; }
.faba-meters li { display: grid; grid-template-columns: 3fr 2fr 3rem; gap: 0.5rem; align-items: center;
  font-size: var(--text-sm); }
.faba-meters meter { width: 100%; height: 0.9rem; }
.faba-meters meter::-webkit-meter-bar { background: var(--border-color-primary); border: none; border-radius: 4px; }
.faba-meters meter::-webkit-meter-optimum-value { background: var(--color-accent); border-radius: 4px; }
.faba-meters meter::-moz-meter-bar { background: var(--color-accent); }
#faces .grid-container { grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)) !important; }
#faces .caption-label { display: none; }
#faces .thumbnail-item { width: 100%; height: auto; aspect-ratio: 1; min-width: 0; }
.faba-meters b { text-align: right; font-weight: normal; }
.faba-meters .faba-named span, .faba-meters .faba-named b { font-weight: 600; }
.faba-severity h3 { font-size: var(--text-lg); margin: 0 0 1.2rem; font-weight: 400; }
.faba-scale { position: relative; height: 10px; border-radius: 5px; background: var(--border-color-primary); }
.faba-scale i { position: absolute; display: block; }
.faba-band { top: 0; height: 10px; min-width: 4px; border-radius: 5px; background: var(--color-accent); opacity: 0.55; }
.faba-point { top: -5px; width: 4px; height: 20px; margin-left: -2px; background: var(--body-text-color);
  border-radius: 2px; }
.faba-ticks { display: flex; justify-content: space-between; list-style: none; padding: 0; margin: 0.3rem 0 0.6rem;
  font-size: var(--text-sm); }
.faba-ticks li { flex: 1 1 0; text-align: center; white-space: nowrap; }
.faba-ticks li:first-child { text-align: left; flex: 0.5 1 0; }
.faba-ticks li:last-child { text-align: right; flex: 0.5 1 0; }
.faba-report { padding-left: 1.4rem; margin: 0.3rem 0; }
.faba-report li { margin: 0.5rem 0; padding-left: 0.6rem; border-left: 4px solid var(--border-color-primary); }
.faba-report li.faba-yes { border-left: 4px solid #1a7f37; }
.faba-report li.faba-no { border-left: 4px double #d1242f; }
.faba-report li.faba-open { border-left: 4px dotted var(--body-text-color-subdued); }
.faba-report small { display: block; opacity: 0.85; }
.faba-verdict { border: 1px solid currentColor; border-radius: 999px; padding: 0 0.5rem; font-size: var(--text-sm);
  white-space: nowrap; }
.faba-wide { overflow-x: auto; }
.faba-table { border-collapse: collapse; width: 100%; font-size: var(--text-sm); }
.faba-table caption { text-align: left; font-weight: 600; padding: 0.4rem 0; }
.faba-wide .faba-table, .faba-wide .faba-table tr { border: none; }
.faba-wide .faba-table th, .faba-wide .faba-table td { text-align: left; padding: 0.2rem 0.6rem 0.2rem 0;
  font-weight: normal; border: none; border-bottom: 1px solid var(--border-color-primary); vertical-align: top; }
.faba-wide .faba-table thead th { font-weight: 600; }
.faba-table td:nth-child(2) { font-variant-numeric: tabular-nums; white-space: nowrap; }
.faba-example { display: flex; gap: 0.6rem; align-items: center; }
/* Cutting a clip in the page would fetch a program from another host. */
#clip button[aria-label^="Trim"], #clip button[aria-label^="Reset"] { display: none; }
#clip-status progress { width: 100%; height: 10px; appearance: none; border: none; border-radius: 5px;
  background: var(--border-color-primary); overflow: hidden; }
#clip-status progress::-webkit-progress-bar { background: var(--border-color-primary); }
#clip-status progress::-webkit-progress-value { background: var(--color-accent); }
#clip-status progress::-moz-progress-bar { background: var(--color-accent); }
:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
@media (max-width: 640px) {
  #photo-tab { flex-direction: column; flex-wrap: nowrap; }
  #photo { height: 200px !important; }
  #chat-column { order: 2; }
  #face-column { order: 3; }
  #chat { height: 260px !important; }
  .faba-ticks li:not(:first-child):not(:last-child) span { display: none; }
  #motion-plot .image-container { overflow-x: auto; contain: inline-size; }
  #motion-plot .image-container button:has(img), #motion-plot .image-frame, #motion-plot img {
    width: 760px; max-width: none; height: auto; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""

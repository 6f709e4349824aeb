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
:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
@media (max-width: 640px) { #chat { height: 330px !important; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""

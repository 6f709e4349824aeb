"""How the report page looks: light or dark as the reader's system is, from 400 pixels of width on."""

STYLE = """
:root{--ink:#1c2128;--soft:#57606a;--line:#d0d7de;--back:#fff;--r0:#0b6bcb;--r1:#c2540a;--r2:#1a7f37;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;--back:#0d1117;--r0:#58a6ff;
--r1:#f0883e;--r2:#56d364;--card:#161b22}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back)}
body{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:1.6rem;line-height:1.2;overflow-wrap:anywhere}h2{margin-top:2.5rem;border-bottom:2px solid var(--line)}
h3{margin:2rem 0 .5rem}h4{margin:0;font-size:.8rem;color:var(--soft)}
code{font-size:.85rem;overflow-wrap:anywhere}small{display:block;color:var(--soft);font-size:.7rem;font-weight:400}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
.grid td{min-width:3.1rem}.grid td,.grid th{padding:4px 5px}.notes{list-style:none;padding:0;font-size:.8rem}
.notes{color:var(--soft)}
th:first-child{text-align:left;min-width:9rem;position:sticky;left:0;background:var(--back)}
tr.ours{font-weight:600}tr.printed,tr.printed th{color:var(--soft);font-weight:400}sup{line-height:0}
th[colspan]{text-align:center}
.chart{max-width:900px}
.class{display:flex;gap:12px;padding:5px 0;border-bottom:1px solid var(--line);align-items:center}
.name{flex:0 0 230px;font-size:.9rem}.name span{color:var(--soft)}
.name i{font-style:normal;color:var(--soft);float:right}.name i:before{content:"n = "}
.bars{flex:1;min-width:0}.bar{display:flex;align-items:center;gap:8px;margin:2px 0}
.track{position:relative;flex:1;height:12px;background:var(--card);border-radius:2px}
.bar em{font:normal .8rem system-ui;width:3.2rem;text-align:right;white-space:nowrap}
.bar s{position:absolute;left:0;top:0;height:100%;border-radius:2px;opacity:.75}
.bar u{position:absolute;top:5px;height:2px;background:var(--ink)}
.r0 s{background:var(--r0)}.r1 s{background:var(--r1)}.r2 s{background:var(--r2)}
.legend span{margin-right:18px}
.legend s{display:inline-block;width:14px;height:14px;margin-right:6px;vertical-align:-2px}
.confusion td.right{background:color-mix(in srgb,var(--r2) calc(var(--share)*70%),transparent)}
.confusion td.wrong{background:color-mix(in srgb,var(--r1) calc(var(--share)*70%),transparent)}
.figures{display:flex;flex-wrap:wrap;gap:24px;margin-top:1.5rem}figure{margin:0;flex:1 1 300px;max-width:420px}
figcaption{font-size:.85rem;color:var(--soft)}
svg{width:100%;height:auto}svg text{font:12px system-ui;fill:var(--soft)}svg rect,svg circle{fill:var(--r0);opacity:.8}
svg path{stroke:var(--soft);fill:none}svg .ideal{stroke-dasharray:4 4}
article{display:flex;flex-wrap:wrap;gap:8px 20px}
article{background:var(--card);border-radius:6px;padding:12px 16px;margin:10px 0}
article>div{flex:2 1 280px;min-width:0;overflow-wrap:anywhere}article .facts{flex:1 1 200px}
article p{margin:.2rem 0;white-space:pre-line;font-size:.88rem}article img{width:96px;height:96px;object-fit:cover}
article ul{padding-left:1.1rem;margin:.3rem 0;font-size:.88rem}li.right::marker{color:var(--r2);content:"\\2713 "}
li.wrong::marker{color:var(--r1);content:"\\2717 "}details{margin:.3rem 0}footer{margin:3rem 0 1rem;color:var(--soft)}
@media(max-width:600px){body{padding:10px}.class{display:block}.name{margin-bottom:2px}th,td{padding:3px 5px}
table,.confusion{font-size:.8rem}.grid td{min-width:2.5rem}.grid td,.grid th{padding:3px}.grid small{font-size:.6rem}
th:first-child{min-width:5.2rem}.confusion tr:first-child th:not(:first-child){writing-mode:vertical-rl;text-align:left}
.confusion th,.confusion td{padding:3px 4px}}
"""

"""What boards are made of: queries, panels, rows, and the frame around them.

A query is made by `now`, `rate`, `quantile` or `share`, which put the variables of the board into it, or
by hand with `series`. A panel is one of the functions below with a title, a description, a unit of
Grafana's, and its queries; where it stands is worked out.
"""

# Grafana 11. Newer versions migrate by themselves what they read.
SCHEMA = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Grid of Grafana: columns of a line.
COLUMNS = 24
WINDOW = "[$__rate_interval]"


# --- Queries


class Query:
    """An expression, and how its series are called."""

    def __init__(self, expr, legend):
        self.expr = expr
        self.legend = legend

    def called(self, legend):
        """The same with other names of series."""
        return Query(self.expr, legend)


def series(name, more=""):
    """The series of one metric on the nodes that the board shows. `more`: further matchers."""
    matchers = ['cluster="$cluster"', 'node=~"$node"'] + ([more] if more else [])
    return f"{name}{{{', '.join(matchers)}}}"


def _sum(inner, by, function="sum"):
    labels = by.split()
    head = f"{function} by ({', '.join(labels)}) " if labels else function
    return f"{head}({inner})"


def _legend(by, otherwise):
    return " ".join(f"{{{{{label}}}}}" for label in by.split()) or otherwise


def now(name, by="node", more="", function="sum"):
    """What a gauge is, for each value of the labels in `by`."""
    return Query(_sum(series(name, more), by, function), _legend(by, "all"))


def rate(name, by="node", more=""):
    """How much a counter grows per second."""
    return Query(_sum(f"rate({series(name, more)}{WINDOW})", by), _legend(by, "all"))


def growth(name, by="node", more=""):
    """How much a counter has grown within an interval of the graph: for what should be rare."""
    return Query(_sum(f"increase({series(name, more)}{WINDOW})", by), _legend(by, "all"))


def quantile(part, name, by="", more=""):
    """A quantile of a histogram of seconds."""
    buckets = _sum(f"rate({series(name + '_bucket', more)}{WINDOW})", f"{by} le")
    legend = f"{part * 100:g} %"
    if by:
        legend += f" {_legend(by, '')}"
    return Query(f"histogram_quantile({part}, {buckets})", legend)


def quantiles(name, more=""):
    """Median, 95 % and 99 %."""
    return [quantile(part, name, more=more) for part in (0.5, 0.95, 0.99)]


def share(part, whole, legend):
    """One query divided by another."""
    return Query(f"{part.expr}\n/\n{whole.expr}", legend)


# --- Panels


class Panel:
    """A panel without its place."""

    def __init__(self, json, width, height):
        self.json = json
        self.width = width
        self.height = height


def _panel(kind, title, description, unit, queries, width, height, custom=None, options=None, **defaults):
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend,
            "range": True,
        }
        for index, query in enumerate(queries)
    ]
    fields = {"unit": unit, **defaults}
    if custom:
        fields["custom"] = custom
    return Panel(
        {
            "type": kind,
            "title": title,
            "description": description,
            "datasource": SOURCE,
            "fieldConfig": {"defaults": fields, "overrides": []},
            "options": options or {},
            "targets": targets,
        },
        width,
        height,
    )


def lines(title, description, unit, *queries, stacked=False, width=8, limit=None):
    """Lines over time. `limit`: where it becomes bad, drawn as a line."""
    custom = {
        "drawStyle": "line",
        "fillOpacity": 20 if stacked else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    defaults = {"min": 0}
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = _thresholds(limit)
    options = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, unit, queries, width, 8, custom, options, **defaults)


def figure(title, description, unit, query, bad=None, good=None, text="value"):
    """One number. `bad`: red from there on; `good`: red below."""
    defaults = {}
    if bad is not None:
        defaults["thresholds"] = _thresholds(bad)
    if good is not None:
        defaults["thresholds"] = _thresholds(good, below=True)
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text,
    }
    return _panel("stat", title, description, unit, [query], 4, 4, options=options, **defaults)


def states(title, description, query, names, width=8):
    """What is which when. `names`: text and colour of each value."""
    options = {
        str(value): {"color": colour, "index": index, "text": text}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    mappings = [{"type": "value", "options": options}]
    custom = {"fillOpacity": 70, "lineWidth": 0}
    shown = {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel(
        "state-timeline", title, description, "none", [query], width, 8, custom, shown, mappings=mappings
    )


def buckets(title, description, name, width=8):
    """How a histogram of seconds changes over time."""
    query = rate(f"{name}_bucket", by="le")
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scheme": "Oranges",
            "steps": 64,
        },
        "legend": {"show": False},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": "s"},
    }
    panel = _panel("heatmap", title, description, "s", [query], width, 8, options=options)
    panel.json["targets"][0]["format"] = "heatmap"
    return panel


def table(title, description, query, hidden, width=16):
    """What is there now, one line for each series. `hidden`: labels that are left out."""
    options = {"cellHeight": "sm", "showHeader": True}
    panel = _panel("table", title, description, "none", [query], width, 4, options=options)
    target = panel.json["targets"][0]
    del target["range"]
    target.update(format="table", instant=True)
    excluded = {name: True for name in ["Time", "Value", "__name__", *hidden]}
    panel.json["transformations"] = [{"id": "organize", "options": {"excludeByName": excluded}}]
    return panel


def _thresholds(limit, below=False):
    low, high = ("red", "green") if below else ("green", "red")
    steps = [{"color": low, "value": None}, {"color": high, "value": limit}]
    return {"mode": "absolute", "steps": steps}


# --- Boards


def frame(name, title, description, *rows, one_node=False):
    """A board of rows, each a title and its panels. `one_node`: it shows one node at a time."""
    panels = []
    y = 0
    for heading, inside in rows:
        panels.append(
            {
                "type": "row",
                "title": heading,
                "collapsed": False,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
                "panels": [],
            }
        )
        y = _place(inside, y + 1, panels)
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": f"tidegate-{name}",
        "title": f"Tidegate: {title}",
        "description": description,
        "tags": ["tidegate"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "weekStart": "",
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "links": [_other_boards()],
        "annotations": {"list": [_alerts()]},
        "templating": {"list": _variables(one_node)},
        "panels": panels,
    }


def _place(inside, y, panels):
    """Puts panels next to one another, line by line. Gives the first free line."""
    x = height = 0
    for panel in inside:
        if COLUMNS < x + panel.width:
            x, y, height = 0, y + height, 0
        grid = {"h": panel.height, "w": panel.width, "x": x, "y": y}
        panels.append({**panel.json, "gridPos": grid})
        x += panel.width
        height = max(height, panel.height)
    return y + height


def _other_boards():
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": ["tidegate"],
        "targetBlank": False,
        "title": "",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _alerts():
    return {
        "name": "Alerts that fire",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Tidegate.+", alertstate="firing", cluster="$cluster"}',
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{node}}",
    }


def _variables(one_node):
    def of_label(name, label, query, **more):
        return {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "options": [],
            "skipUrlSync": False,
            **more,
        }

    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    many = {"multi": True, "includeAll": True, "allValue": ".*", "current": everything}
    if one_node:
        many = {}
    nodes = 'label_values(tidegate_build_info{cluster="$cluster"}, node)'
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "options": [],
            "skipUrlSync": False,
        },
        of_label("cluster", "Cluster", "label_values(tidegate_build_info, cluster)"),
        of_label("node", "Node", nodes, **many),
    ]

// What one of our dashboards is, by Grafana's own types. Values come from JSON, so members of string
// enumerations stand there as texts.
import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from "@grafana/schema";
import type * as bars from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as states from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { [Name in keyof T]: Plain<T[Name]> }
        : T;

interface PrometheusQuery extends DataQuery {
  expr: string;
  legendFormat?: string;
  interval?: string;
  editorMode?: "code" | "builder";
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  format?: "time_series" | "table" | "heatmap";
}

// The panel of a kind: its options and what its fields add to every panel's.
type Of<Kind extends string, Options, Custom> = Plain<
  Omit<Panel, "type" | "options" | "fieldConfig" | "targets">
> & {
  type: Kind;
  options: Plain<Options>;
  targets: Plain<PrometheusQuery>[];
  fieldConfig: {
    defaults: Plain<Omit<NonNullable<Panel["fieldConfig"]>["defaults"], "custom">> & {
      custom?: Plain<Custom>;
    };
    overrides: [];
  };
};

type OurPanel =
  | Of<"timeseries", series.Options, series.FieldConfig>
  | Of<"stat", stat.Options, never>
  | Of<"table", table.Options, table.FieldConfig>
  | Of<"state-timeline", states.Options, states.FieldConfig>
  | Of<"bargauge", bars.Options, never>
  | Plain<RowPanel>;

// Prometheus' data source reads these beside the query.
type OurAnnotation = Plain<AnnotationQuery<PrometheusQuery>> & {
  titleFormat?: string;
  textFormat?: string;
};

export type OurDashboard = Plain<Omit<Dashboard, "panels" | "annotations">> & {
  panels: OurPanel[];
  annotations: { list: OurAnnotation[] };
};

// What a dashboard's JSON has to be, by Grafana's own types; test_schema.py adds the dashboards.
import type { AnnotationQuery, Dashboard, DataQuery } from "@grafana/schema";
import type * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as statetimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON says "value" where TypeScript wants MappingType.ValueToText.
type Told<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? Told<Item>[]
      : T extends object
        ? { [Name in keyof T]: Told<T[Name]> }
        : T;

// The schema package does not know what Prometheus' own plugin adds.
interface Asked extends DataQuery {
  expr: string;
  interval: string;
}
interface Mark extends AnnotationQuery<Asked> {
  tagKeys: string;
  titleFormat: string;
}

export type Board = Told<Omit<Dashboard, "annotations">> & { annotations: { list: Told<Mark>[] } };

// Plugins' own options, which a dashboard's type leaves open. Their fields' types have no name in
// common: "custom" is what a panel's fieldConfig.defaults.custom may hold.
export interface Kinds {
  bargauge: { options: Told<bargauge.Options>; custom: never };
  heatmap: { options: Told<heatmap.Options>; custom: Told<heatmap.FieldConfig> };
  stat: { options: Told<stat.Options>; custom: never };
  "state-timeline": { options: Told<statetimeline.Options>; custom: Told<statetimeline.FieldConfig> };
  table: { options: Told<table.Options>; custom: Told<table.FieldConfig> };
  timeseries: { options: Told<timeseries.Options>; custom: Told<timeseries.FieldConfig> };
}

export interface Query {
  datasource: { type: "prometheus"; uid: string };
  editorMode: "code";
  exemplar: boolean;
  expr: string;
  format: "time_series" | "table" | "heatmap";
  instant: boolean;
  legendFormat: string;
  range: boolean;
  refId: string;
}

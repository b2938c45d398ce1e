// What a rendered board must be: Grafana's own types, as JSON has them.
import type { Dashboard, Panel, RowPanel, FieldConfig, FieldColor, ValueMapping, DataSourceRef } from '@grafana/schema';
import type * as units from '@grafana/grafana-foundation-sdk/units';
import type { Dataquery as Prometheus } from '@grafana/grafana-foundation-sdk/prometheus';
import type { Options as TimeSeries, FieldConfig as TimeSeriesField } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as Gauge } from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as Table, FieldConfig as TableField } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as Geomap } from '@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import type { Options as StateTimeline, FieldConfig as StateTimelineField } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { Options as StatusHistory, FieldConfig as StatusHistoryField } from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen';
import type { Options as Pie } from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type { Options as Text } from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';

// Unit is one that Grafana has, or a text of ours behind the number. In the
// panels' types it is any text.
export type Unit = (typeof units)[keyof typeof units] | `suffix:${string}`;

// Calc is how a panel makes one value of a series: ReducerID of @grafana/data,
// which is not fetched for one enum. In the panels' types it is any text.
export type Calc =
  | 'sum' | 'max' | 'min' | 'logmin' | 'mean' | 'median' | 'variance' | 'stdDev' | 'last' | 'first' | 'count' | 'range' | 'diff' | 'diffperc'
  | 'delta' | 'step' | 'firstNotNull' | 'lastNotNull' | 'changeCount' | 'distinctCount' | 'allIsZero' | 'allIsNull' | 'allValues' | 'uniqueValues';

// Json is a type as JSON writes it: the members of an enum are its plain values.
// Where Grafana's types have any text for a unit or a reducer, it is one that
// there is.
export type Json<T> =
  T extends string ? `${T}` :
  T extends number ? (`${T}` extends `${infer N extends number}` ? N : T) :
  T extends (infer U)[] ? Json<U>[] :
  T extends object ? { [K in keyof T]: K extends 'calcs' ? Calc[] : K extends 'unit' ? Unit : Json<T[K]> } :
  T;

// The first step's value is null in JSON: minus infinity.
type Thresholds = { mode: 'absolute' | 'percentage'; steps: { value: number | null; color: string }[] };

// PrometheusTarget and InfluxTarget are what a panel or a rule asks a data source.
// Of InfluxDB's queries Grafana publishes no type; what is used of them is as its
// data source reads them.
export type PrometheusTarget = Omit<Json<Prometheus>, '_implementsDataqueryVariant' | 'datasource' | 'refId'> & { refId: string; datasource: Source<'prometheus'> };
export type InfluxTarget = {
  refId: string; datasource: Source<'influxdb'>; query: string; rawQuery: true; resultFormat: 'time_series' | 'table'; alias?: string;
  intervalMs?: number; maxDataPoints?: number;
};
export type Source<Type extends string> = Omit<Required<Pick<DataSourceRef, 'uid'>>, 'type'> & { type: Type };

// Property is one that a panel gives some of its fields.
type Property =
  | { id: 'unit'; value: Unit } | { id: 'displayName'; value: string } | { id: 'decimals' | 'min' | 'max'; value: number }
  | { id: 'color'; value: Json<FieldColor> } | { id: 'mappings'; value: Json<ValueMapping>[] } | { id: 'thresholds'; value: Thresholds }
  | { id: `custom.${string}`; value: unknown };

type Of<Type extends string, Options, Custom = unknown> =
  Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
    type: Type;
    options: Json<Options>;
    targets?: PrometheusTarget[] | InfluxTarget[];
    fieldConfig?: Omit<Json<NonNullable<Panel['fieldConfig']>>, 'defaults' | 'overrides'> & {
      defaults: Omit<Json<FieldConfig>, 'custom' | 'thresholds'> & { custom?: Custom; thresholds?: Thresholds };
      overrides: { matcher: { id: string; options?: unknown }; properties: Property[] }[];
    };
  };

// Grafana publishes no types of the alert list; what is used of it was read off
// Grafana itself.
type AlertList = {
  viewMode: 'list' | 'stat'; groupMode: 'default' | 'custom'; groupBy: string[]; maxItems: number; sortOrder: 1 | 2 | 3 | 4 | 5;
  dashboardAlerts: boolean; alertName: string; alertInstanceLabelFilter: string;
  stateFilter: { firing: boolean; pending: boolean; noData: boolean; normal: boolean; error: boolean };
};

export type AnyPanel =
  | Of<'timeseries', TimeSeries, Json<TimeSeriesField>>
  | Of<'stat', Stat>
  // Partial: what 13 has added has defaults, and 9.4 does not know it.
  | Of<'gauge', Partial<Gauge>>
  | Of<'bargauge', BarGauge>
  // displayMode is what Grafana 9 reads in place of cellOptions.
  | Of<'table', Partial<Table>, Json<Pick<TableField, 'align' | 'inspect' | 'minWidth' | 'wrapHeaderText'>> & { displayMode: string; cellOptions: { type: string } }>
  | Of<'geomap', Geomap>
  | Of<'state-timeline', StateTimeline, Json<StateTimelineField>>
  | Of<'status-history', StatusHistory, Json<StatusHistoryField>>
  | Of<'piechart', Partial<Pie>>
  | Of<'text', Text>
  | Of<'alertlist', AlertList>
  | Json<RowPanel>;

export type Board = Omit<Json<Dashboard>, 'panels'> & { panels: AnyPanel[] };

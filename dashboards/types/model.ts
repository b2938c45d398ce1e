// What a golden file must be: Grafana's own types, as JSON has them.
import type { Dashboard, Panel, RowPanel, FieldConfig, DataQuery } from '@grafana/schema';
import type { Options as TimeSeries, FieldConfig as TimeSeriesField } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as Gauge } from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as Geomap } from '@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import type { Options as StateTimeline, FieldConfig as StateTimelineField } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { Options as StatusHistory, FieldConfig as StatusHistoryField } from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen';
import type { Options as Pie } from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type { Options as Text } from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';

// Json is a type as JSON writes it: the members of an enum are its plain values.
export type Json<T> =
  T extends string ? `${T}` :
  T extends number ? (`${T}` extends `${infer N extends number}` ? N : T) :
  T extends (infer U)[] ? Json<U>[] :
  T extends object ? { [K in keyof T]: Json<T[K]> } :
  T;

type Of<Type extends string, Options, Custom = unknown> =
  Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig'> & {
    type: Type;
    options: Json<Options>;
    fieldConfig?: Omit<Json<NonNullable<Panel['fieldConfig']>>, 'defaults'> & {
      defaults: Omit<Json<FieldConfig>, 'custom' | 'thresholds'> & {
        custom?: Custom;
        // The first step's value is null in JSON: minus infinity.
        thresholds?: { mode: 'absolute' | 'percentage'; steps: { value: number | null; color: string }[] };
      };
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
  | Of<'table', Partial<Table>, { align: string; displayMode: string; cellOptions: { type: string }; inspect: boolean }>
  | Of<'geomap', Geomap>
  | Of<'state-timeline', StateTimeline, Json<StateTimelineField>>
  | Of<'status-history', StatusHistory, Json<StatusHistoryField>>
  | Of<'piechart', Partial<Pie>>
  | Of<'text', Text>
  | Of<'alertlist', AlertList>
  | Json<RowPanel>;

export type Target = Json<DataQuery>;

export type Board = Omit<Json<Dashboard>, 'panels'> & { panels: AnyPanel[] };

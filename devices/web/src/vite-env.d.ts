// MapLibre's build for a strict content security policy has the same types as
// the ordinary one.
declare module 'maplibre-gl/dist/maplibre-gl-csp' {
  import maplibregl from 'maplibre-gl'
  export default maplibregl
}

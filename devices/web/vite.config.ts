import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

// The server behind the pages while one works on them.
const city = process.env.HAIDANG_URL ?? 'http://127.0.0.1:8080'

// What the server answers itself; the service worker must not put the console
// in its place.
const server = [/^\/api\//, /^\/auth\//, /^\/prometheus\//, /^\/metrics/, /^\/healthz/, /^\/readyz/, /^\/console\.json/]

export default defineConfig({
  plugins: [
    svelte(),
    VitePWA({
      registerType: 'prompt', // a reload on its own would lose a half-filled form
      injectRegister: null,
      includeAssets: ['icon.svg', 'apple-touch-icon.png'],
      manifest: {
        id: '/',
        name: 'Hải Đăng',
        short_name: 'Hải Đăng',
        description: 'Cảm biến đô thị: bản đồ, điểm đo, đăng ký thiết bị tại hiện trường',
        lang: 'vi',
        start_url: '/register',
        scope: '/',
        display: 'standalone',
        background_color: '#07171f',
        theme_color: '#07171f',
        icons: [
          { src: '/icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: '/icon-512.png', sizes: '512x512', type: 'image/png' },
          { src: '/icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
        ],
      },
      workbox: {
        globPatterns: ['**/*.{js,css,html,svg,png,woff2}'],
        maximumFileSizeToCacheInBytes: 3 << 20,
        navigateFallbackDenylist: server,
        cleanupOutdatedCaches: true,
        sourcemap: false,
      },
    }),
  ],
  build: {
    target: 'es2022',
    emptyOutDir: false, // dist/README is committed; prebuild removes the rest
    chunkSizeWarningLimit: 1100, // the map, loaded only where there is one
    // A data: URL would need a wider content security policy.
    assetsInlineLimit: 0,
  },
  server: { proxy: { '/api': city, '/console.json': city } },
})

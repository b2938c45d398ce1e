import { defineConfig } from 'vitest/config'

// One browser at a time: several on few cores make each other's waits run out.
export default defineConfig({
  test: { include: ['test/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 },
})

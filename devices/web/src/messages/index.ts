// Every text of the console, in both languages side by side, so that neither can
// be forgotten.

import { access } from './access'
import { alarms } from './alarms'
import { city } from './city'
import { field } from './field'
import { files } from './files'
import { shell } from './shell'
import { watch } from './watch'

export const messages = { ...shell, ...city, ...field, ...watch, ...access, ...alarms, ...files }

export type Key = keyof typeof messages

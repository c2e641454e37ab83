// What needs a script: nothing here is needed to read a page.
"use strict";

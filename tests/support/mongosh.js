// As much of mongosh as deploy/mongo/health.js uses, for a machine without it: the script runs as it is
// shipped, and each call to the database goes through descriptors 3 and 4 to the test, which has a driver.
//   node mongosh.js SCRIPT
'use strict';
const fs = require('fs');

let rest = '';

function readLine() {
  const bytes = Buffer.alloc(65536);
  while (!rest.includes('\n')) {
    const size = fs.readSync(4, bytes, 0, bytes.length, null);
    if (size === 0) process.exit(70);
    rest += bytes.toString('utf8', 0, size);
  }
  const end = rest.indexOf('\n');
  const line = rest.slice(0, end);
  rest = rest.slice(end + 1);
  return line;
}

function call(message) {
  fs.writeSync(3, JSON.stringify(message) + '\n');
  const answer = JSON.parse(readLine());
  if (answer.error === undefined) return answer.reply;
  throw Object.assign(new Error(answer.error), {code: answer.code});
}

class Database {
  constructor(name) {
    this.name = name;
  }
  getSiblingDB(name) {
    return new Database(name);
  }
  auth(user, password) {
    return call({user, password});
  }
  runCommand(command) {
    return call({database: this.name, command});
  }
}

const script = fs.readFileSync(process.argv[2], 'utf8');
const quit = (status) => process.exit(status);
new Function('db', 'quit', 'require', script)(new Database('test'), quit, require);

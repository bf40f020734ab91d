// Health check of the mongo container, run by mongosh on the machine itself: ends with 0 when the replica
// set has its primary and setup.json is in effect. What is missing it makes, each step once more than
// needed at worst, so that it may be interrupted anywhere. The first user is made under mongod's
// localhost exception, which ends with it.
const fs = require('fs');

const path = process.env.MONGO_SETUP || '/etc/tenantd/setup.json';
const setup = fill(JSON.parse(fs.readFileSync(path, 'utf8')));
const admin = db.getSiblingDB('admin');

// ${NAME} in any string is that environment variable.
function fill(value) {
  if (typeof value === 'string') {
    return value.replace(/\$\{(\w+)\}/g, (_, name) => {
      if (!process.env[name]) throw new Error(name + ' is not set');
      return process.env[name];
    });
  }
  if (Array.isArray(value)) return value.map(fill);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [fill(key), fill(inner)]));
}

function login() {
  try {
    admin.auth(setup.root.createUser, setup.root.pwd);
    return true;
  } catch (error) {
    return false;
  }
}

// A role or user that exists is brought to what setup.json says.
function create(command) {
  const [verb, name] = Object.entries(command)[0];
  try {
    admin.runCommand(command);
  } catch (error) {
    if (error.code !== 51002 && error.code !== 51003) throw error;
    const {[verb]: _, ...rest} = command;
    admin.runCommand({[verb.replace('create', 'update')]: name, ...rest});
  }
}

function makeReady() {
  const hello = admin.runCommand({hello: 1});
  if (!hello.setName) {
    admin.runCommand(setup.initiate);
    return false;
  }
  if (!hello.isWritablePrimary) return false;
  if (!login()) {
    admin.runCommand(setup.root);
    if (!login()) return false;
  }
  // The last user is the mark that all of this version was done.
  const last = setup.users[setup.users.length - 1];
  const found = admin.runCommand({usersInfo: last.createUser}).users[0];
  if (found && found.customData && found.customData.setup === last.customData.setup) return true;
  for (const command of [...setup.roles, ...setup.users]) {
    create(command);
  }
  return true;
}

quit(makeReady() ? 0 : 1);

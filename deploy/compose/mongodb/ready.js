// The health of MongoDB: its replica set of one takes writes. The first time it makes that replica set.
const password = require("fs").readFileSync("/run/secrets/mongodb-root-password", "utf8").trim();
const admin = new Mongo(`mongodb://root:${encodeURIComponent(password)}@127.0.0.1:27017/?directConnection=true`).getDB("admin");
const NOT_YET_INITIALIZED = 94;

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.code !== NOT_YET_INITIALIZED) throw error;
  admin.adminCommand({
    replSetInitiate: { _id: "mail-automator", members: [{ _id: 0, host: "mongodb:27017" }] },
  });
}
quit(admin.hello().isWritablePrimary ? 0 : 1);

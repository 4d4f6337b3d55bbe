// At the first start, by the entry point of MongoDB's image: the user of the services, who has one database.
const password = require("fs").readFileSync("/run/secrets/mongodb-password", "utf8").trim();
db.getSiblingDB("mail_automator").createUser({
  user: "mail-automator",
  pwd: password,
  roles: [{ role: "readWrite", db: "mail_automator" }],
});
